/* Threads that encode segments. One job at a time; the thread that waits for it works along, so a
 * pool without threads of its own does everything in the wait. */
#ifndef TK_STORE_ENCODER_POOL_H
#define TK_STORE_ENCODER_POOL_H

#include "store/segment/segment_writer.h"

struct tk_encode_piece {
  const struct tk_span **spans; /**< set by the caller, stay until the job is done */
  uint32_t span_count;
  struct tk_segment_writer writer; /**< finished, once the job is done with TK_OK */
  struct tk_encode_progress {
    enum { TK_PIECE_NEW, TK_PIECE_PREPARING, TK_PIECE_RUNNING, TK_PIECE_DONE } state;
    uint32_t next_task, tasks_left;
  } progress; /**< private to the pool; zero-initialise */
};

struct tk_encode_job {
  struct tk_encode_piece *pieces;
  uint32_t piece_count;
  enum tk_status status; /**< of the first piece that failed */
  struct tk_error error;
  uint32_t pieces_done;
};

struct tk_encoder_pool;

/** `thread_count` includes the caller's. TK_NOMEM. Where threads cannot be had, fewer are used. */
enum tk_status tk_encoder_pool_create(unsigned thread_count, struct tk_encoder_pool **pool_out,
                                      struct tk_error *error);

/** The job is worked on from now; it must stay until tk_encoder_pool_wait has returned. */
void tk_encoder_pool_submit(struct tk_encoder_pool *pool, struct tk_encode_job *job);

/** Whether tk_encoder_pool_wait would return at once. A pool without threads of its own does the
 * whole job here: nobody else will, and what the job holds should not wait for it. */
bool tk_encoder_pool_is_done(struct tk_encoder_pool *pool);

/** Returns when the submitted job is done (at once if there is none): see job->status. The writers
 * of its pieces are the caller's to reset, whatever the status. */
void tk_encoder_pool_wait(struct tk_encoder_pool *pool);

/** Waits first. NULL does nothing. */
void tk_encoder_pool_free(struct tk_encoder_pool *pool);

#endif
