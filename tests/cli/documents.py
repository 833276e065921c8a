#!/usr/bin/python3
"""--help, the man page, the completion and the README name the same commands and options."""
import re
import subprocess

from support import FIXTURES, HERE, Run, run_tests

ROOT = HERE.parent.parent
MAN = (ROOT / 'docs/tracekeep.1').read_text(encoding='utf-8').replace('\\-', '-')
COMPLETION = (ROOT / 'cli/completion/tracekeep.bash').read_text(encoding='utf-8')


def commands():
    text = Run('--help').stdout.decode()
    found = re.findall(r'^  ([a-z]+)  ', text.split('Commands:')[1], re.M)
    assert len(found) >= 6, text
    return found


def options_of(command):
    """Option names by their value, '' for flags, as --help lists them."""
    text = Run(command, '--help').stdout.decode()
    listed = text.split('Options:')[1].split('Examples:')[0]
    return dict(re.findall(r'^  (?:-\w, |    )--([a-z-]+)(?: (\S+))?', listed, re.M))


def the_man_page_has_every_option_and_no_other(folder):
    for command in commands():
        match = re.search(rf'^\.SS "tracekeep {command} .*?(?=^\.S[SH] )', MAN, re.M | re.S)
        assert match, f'no section for {command}'
        options = set(options_of(command)) - {'help'}
        assert options, command
        documented = set(re.findall(r'^\\fB(?:-\w\\fR, \\fB)?--([a-z-]+)\\fR', match[0], re.M))
        assert documented == options, f'{command}: the man page has {documented}, --help {options}'


def the_man_page_has_the_choices_and_the_exit_codes(folder):
    for command in commands():
        for option, value in options_of(command).items():
            if '|' in value:
                assert value in MAN, f'{command} --{option}: {value}'
    codes = re.findall(r'^  (\d+) ', Run('--help').stdout.decode().split('Exit codes:')[1], re.M)
    section = MAN.split('.SH EXIT STATUS')[1].split('.SH ')[0]
    assert re.findall(r'^\.B (\d+)', section, re.M) == codes and codes, codes


def the_completion_has_every_command_and_option(folder):
    assert re.search(r"commands='([^']*)'", COMPLETION)[1].split() == commands() + ['help']
    for command in commands():
        completed = re.search(rf"^    {command}\) options='([^']*)'", COMPLETION, re.M)
        assert completed, command
        listed = [f'--{option}' for option in options_of(command)]
        assert completed[1].split() == listed, f'{command}: {completed[1]} is not {" ".join(listed)}'


def every_choice_is_completed(folder):
    for command in commands():
        for option, value in options_of(command).items():
            if '|' in value or option == 'format' and value == 'otlp-json':
                assert f"{command}:--{option}" in COMPLETION and f"choices='{value.replace('|', ' ')}'" in COMPLETION, f'{command} --{option}'


def complete(*words):
    script = 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tracekeep; printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(['bash', '-c', script, str(ROOT / 'cli/completion/tracekeep.bash'), 'tracekeep', *words], capture_output=True, check=True)
    return done.stdout.decode().split()


def bash_completes_commands_options_and_choices(folder):
    assert complete('in') == ['ingest', 'info', 'inspect'] and 'query' in complete('')
    assert complete('trace', '--e') == ['--events']
    assert complete('query', '-f', 'm') == ['markdown'] and complete('info', '--format', '') == ['text', 'json']
    assert complete('help', 'ch') == ['check'] and complete('check', f'{FIXTURES}/sh') == [f'{FIXTURES}/shop.jsonl']


def help_fits_a_terminal(folder):
    for words in [['--help']] + [[command, '--help'] for command in commands()]:
        for line in Run(*words).stdout.decode().splitlines():
            assert len(line) <= 100, line


def the_readme_names_only_what_there_is(folder):
    readme = (ROOT / 'README.md').read_text(encoding='utf-8')
    used = set(re.findall(r'tracekeep (ingest|query|trace|info|export|check|[a-z]+) [a-z./-]+\.db', readme))
    assert used and used <= set(commands()), used
    for path in re.findall(r'\]\(([^)#:]+)\)', readme):
        assert (ROOT / path).exists(), f'README.md links to {path}'


if __name__ == '__main__':
    run_tests([the_man_page_has_every_option_and_no_other, the_man_page_has_the_choices_and_the_exit_codes, the_completion_has_every_command_and_option,
               every_choice_is_completed, bash_completes_commands_options_and_choices, help_fits_a_terminal, the_readme_names_only_what_there_is])
