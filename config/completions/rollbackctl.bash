# bash completion of rollbackctl. Made by tests/terminal/completions.py from what rollbackctl --help says.

# Adds what the daemon knows and begins like the word, quoted: to be inserted, and never to be obeyed.
_rollbackctl_asked() {
  local found
  while IFS= read -r found; do
    [[ "$found" == "$word"* ]] || continue
    printf -v found %q "$found"
    COMPREPLY+=("$found")
  done < <(rollbackctl "${access[@]}" complete "$1" 2>/dev/null | cut -f1)
}

_rollbackctl() {
  local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD - 1]}" verb="" i
  local -a access=()
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "${COMP_WORDS[i]}" in
      --api-url | --application | --bot-token-file | --branch | --breaker | --commit | --config | --deployment | --environment | --guild | --initiated-by | --limit | --override | --reason | --server | --service | --status | --timeout | --token | --version)
        case "${COMP_WORDS[i]}" in
          --server | --token | --config) access+=("${COMP_WORDS[i]}" "${COMP_WORDS[i + 1]}") ;;
        esac
        ((i++))
        ;;
      -*) ;;
      *) [[ "   discord " != *" $verb "* ]] || verb="${verb:+$verb }${COMP_WORDS[i]}" ;;
    esac
  done
  case "$verb $before" in
    "deployments --limit")
      :
      return
      ;;
    "deployments --environment")
      _rollbackctl_asked environments
      return
      ;;
    "deployments --service")
      :
      return
      ;;
    "deployments --status")
      mapfile -t COMPREPLY < <(compgen -W "pending in_progress success failed rolled_back" -- "$word")
      return
      ;;
    "deployments --version")
      :
      return
      ;;
    "history --limit")
      :
      return
      ;;
    "history --environment")
      _rollbackctl_asked environments
      return
      ;;
    "history --service")
      :
      return
      ;;
    "history --status")
      mapfile -t COMPREPLY < <(compgen -W "pending in_progress success failed aborted" -- "$word")
      return
      ;;
    "rollback --reason")
      :
      return
      ;;
    "rollback --override")
      mapfile -t COMPREPLY < <(compgen -W "already_stable superseded rollback_of_rollback migration inconsistent_database unsafe_value paused" -- "$word")
      return
      ;;
    "rollback --initiated-by")
      :
      return
      ;;
    "approve --reason")
      :
      return
      ;;
    "abort --reason")
      :
      return
      ;;
    "pause --reason")
      :
      return
      ;;
    "resume --reason")
      :
      return
      ;;
    "resume --breaker")
      _rollbackctl_asked environments
      return
      ;;
    "record --environment")
      _rollbackctl_asked environments
      return
      ;;
    "record --service")
      :
      return
      ;;
    "record --version")
      :
      return
      ;;
    "record --commit")
      :
      return
      ;;
    "record --branch")
      :
      return
      ;;
    "record --status")
      mapfile -t COMPREPLY < <(compgen -W "pending in_progress success failed" -- "$word")
      return
      ;;
    "record --deployment")
      _rollbackctl_asked deployments
      return
      ;;
    "gate --timeout")
      :
      return
      ;;
    "discord register --config")
      :
      return
      ;;
    "discord register --application")
      :
      return
      ;;
    "discord register --guild")
      :
      return
      ;;
    "discord register --bot-token-file")
      :
      return
      ;;
    "discord register --api-url")
      :
      return
      ;;
    *" --server")
      :
      return
      ;;
    *" --token")
      :
      return
      ;;
    *" --config")
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
      return
      ;;
  esac
  if [[ "$word" == -* ]]; then
    case "$verb" in
      "")
        mapfile -t COMPREPLY < <(compgen -W "-h --help -V --version --server --token --config" -- "$word")
        ;;
      "status")
        mapfile -t COMPREPLY < <(compgen -W "-h --help --json -V --version --server --token --config" -- "$word")
        ;;
      "watch")
        mapfile -t COMPREPLY < <(compgen -W "-h --help --json -V --version --server --token --config" -- "$word")
        ;;
      "check")
        mapfile -t COMPREPLY < <(compgen -W "-h --help --json -V --version --server --token --config" -- "$word")
        ;;
      "deployments")
        mapfile -t COMPREPLY < <(compgen -W "-h --help --json --limit --environment --service --status --version -V --server --token --config" -- "$word")
        ;;
      "history")
        mapfile -t COMPREPLY < <(compgen -W "-h --help --json --limit --environment --service --status -V --version --server --token --config" -- "$word")
        ;;
      "show")
        mapfile -t COMPREPLY < <(compgen -W "-h --help --json -V --version --server --token --config" -- "$word")
        ;;
      "rollback")
        mapfile -t COMPREPLY < <(compgen -W "-h --help --json --reason --yes --dry-run --revert-migrations --override --initiated-by -V --version --server --token --config" -- "$word")
        ;;
      "approve")
        mapfile -t COMPREPLY < <(compgen -W "-h --help --json --reason -V --version --server --token --config" -- "$word")
        ;;
      "abort")
        mapfile -t COMPREPLY < <(compgen -W "-h --help --json --reason -V --version --server --token --config" -- "$word")
        ;;
      "pause")
        mapfile -t COMPREPLY < <(compgen -W "-h --help --json --reason -V --version --server --token --config" -- "$word")
        ;;
      "resume")
        mapfile -t COMPREPLY < <(compgen -W "-h --help --json --reason --breaker -V --version --server --token --config" -- "$word")
        ;;
      "record")
        mapfile -t COMPREPLY < <(compgen -W "-h --help --json --environment --service --version --commit --branch --status --deployment -V --server --token --config" -- "$word")
        ;;
      "gate")
        mapfile -t COMPREPLY < <(compgen -W "-h --help --json --timeout -V --version --server --token --config" -- "$word")
        ;;
      "discord")
        mapfile -t COMPREPLY < <(compgen -W "-h --help -V --version --server --token --config" -- "$word")
        ;;
      "discord register")
        mapfile -t COMPREPLY < <(compgen -W "-h --help --config --application --guild --bot-token-file --api-url --print --json -V --version --server --token" -- "$word")
        ;;
    esac
    return
  fi
  case "$verb" in
    "")
      mapfile -t COMPREPLY < <(compgen -W "status watch check deployments history show rollback approve abort pause resume record gate discord" -- "$word")
      ;;
    "status")
      :
      ;;
    "watch")
      :
      ;;
    "check")
      _rollbackctl_asked deployments
      ;;
    "deployments")
      :
      ;;
    "history")
      :
      ;;
    "show")
      _rollbackctl_asked events
      ;;
    "rollback")
      _rollbackctl_asked deployments
      ;;
    "approve")
      _rollbackctl_asked events
      ;;
    "abort")
      _rollbackctl_asked events
      ;;
    "pause")
      :
      ;;
    "resume")
      :
      ;;
    "record")
      :
      ;;
    "gate")
      _rollbackctl_asked deployments
      ;;
    "discord")
      mapfile -t COMPREPLY < <(compgen -W "register" -- "$word")
      ;;
    "discord register")
      :
      ;;
  esac
}
complete -F _rollbackctl rollbackctl
