#compdef rollbackd
# zsh completion of rollbackd. Made by tests/terminal/completions.py from what rollbackd --help says.

_rollbackd_asked() {
  local i
  local -a access found
  for ((i = 1; i < CURRENT; i++)); do
    if [[ "${words[i]}" == (--server|--token|--config) ]]; then
      access+=("${words[i]}" "${words[i + 1]}")
    fi
  done
  found=("${(@f)$(rollbackd $access complete $1 2>/dev/null)}")
  found=(${found//:/\\:})
  found=(${found//$'\t'/:})
  _describe -V $1 found
}

_rollbackd() {
  local context state line
  typeset -A opt_args
  _arguments -C \
    '-h[Print this help message and exit]' \
    '--help[Print this help message and exit]' \
    '--version[Display program version information and exit]' \
    '1: :->verb' '*:: :->arguments'
  case $state in
    verb)
      local -a verbs=(
        'run:watch, decide and roll back, until SIGTERM'
        'check-config:say every mistake of the configuration file, or what counts'
        'doctor:look whether everything it needs is there and works'
        'explain:tell a rollback’s, or a deployment’s, story from the database alone'
        'install:put tables, functions and triggers into the database'
        'uninstall:remove triggers, functions and our own tables'
      )
      _describe verb verbs
      ;;
    arguments)
      case $line[1] in
        run) _rollbackd_run ;;
        check-config) _rollbackd_check_config ;;
        doctor) _rollbackd_doctor ;;
        explain) _rollbackd_explain ;;
        install) _rollbackd_install ;;
        uninstall) _rollbackd_uninstall ;;
      esac
      ;;
  esac
}

_rollbackd_run() {
  _arguments -S \
    '--version[Display program version information and exit]' \
    '-h[Print this help message and exit]' \
    '--help[Print this help message and exit]' \
    '--config[configuration file (YAML)]:config:_files'
}

_rollbackd_check_config() {
  _arguments -S \
    '--version[Display program version information and exit]' \
    '-h[Print this help message and exit]' \
    '--help[Print this help message and exit]' \
    '--config[configuration file (YAML)]:config:_files' \
    '--json[print for programs]'
}

_rollbackd_doctor() {
  _arguments -S \
    '--version[Display program version information and exit]' \
    '-h[Print this help message and exit]' \
    '--help[Print this help message and exit]' \
    '--config[configuration file (YAML)]:config:_files' \
    '--json[print for programs]'
}

_rollbackd_explain() {
  _arguments -S \
    '--version[Display program version information and exit]' \
    '-h[Print this help message and exit]' \
    '--help[Print this help message and exit]' \
    '--config[configuration file (YAML)]:config:_files' \
    '--json[print for programs]' \
    '--conninfo[database, as libpq reads it]:conninfo: ' \
    ':event: '
}

_rollbackd_install() {
  _arguments -S \
    '--version[Display program version information and exit]' \
    '-h[Print this help message and exit]' \
    '--help[Print this help message and exit]' \
    '--config[configuration file (YAML)]:config:_files' \
    '--print[print the SQL instead of running it]' \
    '--conninfo[database, as libpq reads it]:conninfo: '
}

_rollbackd_uninstall() {
  _arguments -S \
    '--version[Display program version information and exit]' \
    '-h[Print this help message and exit]' \
    '--help[Print this help message and exit]' \
    '--config[configuration file (YAML)]:config:_files' \
    '--conninfo[database, as libpq reads it]:conninfo: ' \
    '--purge[remove the other tables and their rows, too]'
}

_rollbackd "$@"
