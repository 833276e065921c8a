/* ^C and SIGTERM as a question that long commands ask now and then. */
#ifndef TK_CLI_INTERRUPT_H
#define TK_CLI_INTERRUPT_H

#include <stdbool.h>

/** From now on the first SIGINT or SIGTERM is only remembered; the second one ends the program. */
void tk_interrupt_install(void);
bool tk_interrupted(void);

#endif
