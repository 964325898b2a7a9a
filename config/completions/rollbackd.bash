# bash completion of rollbackd. Made by tests/terminal/completions.py from what rollbackd --help says.

_rollbackd() {
  local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD - 1]}" verb="" i
  local -a access=()
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "${COMP_WORDS[i]}" in
      --config | --conninfo)
        case "${COMP_WORDS[i]}" in
          --server | --token | --config) access+=("${COMP_WORDS[i]}" "${COMP_WORDS[i + 1]}") ;;
        esac
        ((i++))
        ;;
      -*) ;;
      *) [[ "   " != *" $verb "* ]] || verb="${verb:+$verb }${COMP_WORDS[i]}" ;;
    esac
  done
  case "$verb $before" in
    "run --config")
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
      return
      ;;
    "check-config --config")
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
      return
      ;;
    "doctor --config")
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
      return
      ;;
    "explain --config")
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
      return
      ;;
    "explain --conninfo")
      :
      return
      ;;
    "install --config")
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
      return
      ;;
    "install --conninfo")
      :
      return
      ;;
    "uninstall --config")
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
      return
      ;;
    "uninstall --conninfo")
      :
      return
      ;;
  esac
  if [[ "$word" == -* ]]; then
    case "$verb" in
      "")
        mapfile -t COMPREPLY < <(compgen -W "-h --help --version" -- "$word")
        ;;
      "run")
        mapfile -t COMPREPLY < <(compgen -W "-h --help --config --version" -- "$word")
        ;;
      "check-config")
        mapfile -t COMPREPLY < <(compgen -W "-h --help --config --json --version" -- "$word")
        ;;
      "doctor")
        mapfile -t COMPREPLY < <(compgen -W "-h --help --config --json --version" -- "$word")
        ;;
      "explain")
        mapfile -t COMPREPLY < <(compgen -W "-h --help --config --json --conninfo --version" -- "$word")
        ;;
      "install")
        mapfile -t COMPREPLY < <(compgen -W "-h --help --config --print --conninfo --version" -- "$word")
        ;;
      "uninstall")
        mapfile -t COMPREPLY < <(compgen -W "-h --help --config --conninfo --purge --version" -- "$word")
        ;;
    esac
    return
  fi
  case "$verb" in
    "")
      mapfile -t COMPREPLY < <(compgen -W "run check-config doctor explain install uninstall" -- "$word")
      ;;
    "run")
      :
      ;;
    "check-config")
      :
      ;;
    "doctor")
      :
      ;;
    "explain")
      :
      ;;
    "install")
      :
      ;;
    "uninstall")
      :
      ;;
  esac
}
complete -F _rollbackd rollbackd
