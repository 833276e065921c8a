# SPDX-License-Identifier: MIT
# Completion of tracekeep for bash. tests/cli/documents.py compares it with --help.

_tracekeep() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local commands='ingest query trace info export replay check inspect report verify rules sampling help'
  local options='' choices=''
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W "$commands --help --version" -- "$current")
    return
  fi
  case ${COMP_WORDS[1]} in
    ingest) options='--format --follow --commit-interval --run-id --threads --quiet --output-format --help' ;;
    query) options='--format --file --param --no-headings --help' ;;
    trace) options='--attributes --events --max-depth --limit --width --ascii --help' ;;
    info) options='--format --help' ;;
    export) options='--format --trace --where --since --until --envelope --document --output --framing --compress --help' ;;
    replay) options='--trace --where --since --until --header --json --compress --batch-bytes --rate --retry-for --keep-going --resume --dry-run --quiet --output-format --help' ;;
    check) options='--quiet --help' ;;
    inspect) options='--format --threads --output-format --help' ;;
    report) options='--format --param --sql --help' ;;
    verify) options='--run --format --help' ;;
    rules) options='--off --on --threshold --reset --format --help' ;;
    sampling) options='--config --semantics --head --since --until --slow --examples --format --help' ;;
    help) choices=$commands ;;
  esac
  if [[ ${COMP_WORDS[1]} == report && $COMP_CWORD -eq 3 ]]; then
    choices=$("${COMP_WORDS[0]}" report 2>/dev/null | cut -d ' ' -f 1)
  fi
  case ${COMP_WORDS[1]}:$previous in
    query:--format | query:-f | report:--format | report:-f | rules:--format | rules:-f | sampling:--format | sampling:-f) choices='table csv json ndjson markdown' ;;
    info:--format | info:-f | ingest:--output-format | replay:--output-format | inspect:--output-format | verify:--format | verify:-f) choices='text json' ;;
    export:--format | export:-f) choices='otlp-json otlp-json-pretty otlp-proto jaeger zipkin ndjson csv' ;;
    export:--framing) choices='length varint bare' ;;
    export:--compress) choices='none zstd' ;;
    replay:--compress) choices='gzip none' ;;
    ingest:--format | ingest:-f | inspect:--format | inspect:-f)
      choices=$("${COMP_WORDS[0]}" inspect --format '?' - 2>&1 </dev/null | sed -n 's/.*there are: //p' | tr -d ',') ;;
  esac
  if [[ ${COMP_WORDS[1]} == sampling && $COMP_CWORD -eq 2 ]]; then
    choices='what-if replay'
  fi
  if [[ $choices ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$current")
  elif [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
  else
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  fi
}
complete -o filenames -F _tracekeep tracekeep
