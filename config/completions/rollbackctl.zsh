#compdef rollbackctl
# zsh completion of rollbackctl. Made by tests/terminal/completions.py from what rollbackctl --help says.

_rollbackctl_asked() {
  local i
  local -a access found
  for ((i = 1; i < CURRENT; i++)); do
    if [[ "${words[i]}" == (--server|--token|--config) ]]; then
      access+=("${words[i]}" "${words[i + 1]}")
    fi
  done
  found=("${(@f)$(rollbackctl $access complete $1 2>/dev/null)}")
  found=(${found//:/\\:})
  found=(${found//$'\t'/:})
  _describe -V $1 found
}

_rollbackctl() {
  local context state line
  typeset -A opt_args
  _arguments -C \
    '-h[Print this help message and exit]' \
    '--help[Print this help message and exit]' \
    '-V[Display program version information and exit]' \
    '--version[Display program version information and exit]' \
    '--server[default\: ROLLBACKD_SERVER, else http\://127.0.0.1\:9641]:server: ' \
    '--token[default\: ROLLBACKD_TOKEN]:token: ' \
    '--config[lines server\: and token\: or token_file\:; default\: ~/.config/rollbackctl.yaml]:config:_files' \
    '1: :->verb' '*:: :->arguments'
  case $state in
    verb)
      local -a verbs=(
        'status:services with version, rates and state; pause and breakers'
        'watch:the same, renewed until Ctrl-C'
        'check:whether a deployment should be rolled back (exit code 3\: yes)'
        'deployments:the last deployments'
        'history:the last rollbacks'
        'show:one rollback\: evidence, validation, steps'
        'rollback:roll a deployment back'
        'approve:turn a proposal into the rollback'
        'abort:stop a rollback before its dispatch, or a proposal'
        'pause:the emergency stop\: nothing is rolled back'
        'resume:end the pause, or close a breaker'
        'record:record a deployment, or change its status'
        'gate:wait out a deployment’s probation (exit code 3\: rolled back)'
        'discord:the commands in Discord'
      )
      _describe verb verbs
      ;;
    arguments)
      case $line[1] in
        status) _rollbackctl_status ;;
        watch) _rollbackctl_watch ;;
        check) _rollbackctl_check ;;
        deployments) _rollbackctl_deployments ;;
        history) _rollbackctl_history ;;
        show) _rollbackctl_show ;;
        rollback) _rollbackctl_rollback ;;
        approve) _rollbackctl_approve ;;
        abort) _rollbackctl_abort ;;
        pause) _rollbackctl_pause ;;
        resume) _rollbackctl_resume ;;
        record) _rollbackctl_record ;;
        gate) _rollbackctl_gate ;;
        discord) _rollbackctl_discord ;;
      esac
      ;;
  esac
}

_rollbackctl_status() {
  _arguments -S \
    '-V[Display program version information and exit]' \
    '--version[Display program version information and exit]' \
    '--server[default\: ROLLBACKD_SERVER, else http\://127.0.0.1\:9641]:server: ' \
    '--token[default\: ROLLBACKD_TOKEN]:token: ' \
    '--config[lines server\: and token\: or token_file\:; default\: ~/.config/rollbackctl.yaml]:config:_files' \
    '-h[Print this help message and exit]' \
    '--help[Print this help message and exit]' \
    '--json[print what the daemon answered]'
}

_rollbackctl_watch() {
  _arguments -S \
    '-V[Display program version information and exit]' \
    '--version[Display program version information and exit]' \
    '--server[default\: ROLLBACKD_SERVER, else http\://127.0.0.1\:9641]:server: ' \
    '--token[default\: ROLLBACKD_TOKEN]:token: ' \
    '--config[lines server\: and token\: or token_file\:; default\: ~/.config/rollbackctl.yaml]:config:_files' \
    '-h[Print this help message and exit]' \
    '--help[Print this help message and exit]' \
    '--json[print what the daemon answered]'
}

_rollbackctl_check() {
  _arguments -S \
    '-V[Display program version information and exit]' \
    '--version[Display program version information and exit]' \
    '--server[default\: ROLLBACKD_SERVER, else http\://127.0.0.1\:9641]:server: ' \
    '--token[default\: ROLLBACKD_TOKEN]:token: ' \
    '--config[lines server\: and token\: or token_file\:; default\: ~/.config/rollbackctl.yaml]:config:_files' \
    '-h[Print this help message and exit]' \
    '--help[Print this help message and exit]' \
    '--json[print what the daemon answered]' \
    ':deployment: _rollbackctl_asked deployments'
}

_rollbackctl_deployments() {
  _arguments -S \
    '--server[default\: ROLLBACKD_SERVER, else http\://127.0.0.1\:9641]:server: ' \
    '--token[default\: ROLLBACKD_TOKEN]:token: ' \
    '--config[lines server\: and token\: or token_file\:; default\: ~/.config/rollbackctl.yaml]:config:_files' \
    '-h[Print this help message and exit]' \
    '--help[Print this help message and exit]' \
    '--json[print what the daemon answered]' \
    '--limit[rows]:limit: ' \
    '--environment[only of this one]:environment: _rollbackctl_asked environments' \
    '--service[only of this one]:service: ' \
    '--status[only with this one]:status:(pending in_progress success failed rolled_back)' \
    '--version[only of this one]:version: '
}

_rollbackctl_history() {
  _arguments -S \
    '-V[Display program version information and exit]' \
    '--version[Display program version information and exit]' \
    '--server[default\: ROLLBACKD_SERVER, else http\://127.0.0.1\:9641]:server: ' \
    '--token[default\: ROLLBACKD_TOKEN]:token: ' \
    '--config[lines server\: and token\: or token_file\:; default\: ~/.config/rollbackctl.yaml]:config:_files' \
    '-h[Print this help message and exit]' \
    '--help[Print this help message and exit]' \
    '--json[print what the daemon answered]' \
    '--limit[rows]:limit: ' \
    '--environment[only of this one]:environment: _rollbackctl_asked environments' \
    '--service[only of this one]:service: ' \
    '--status[only with this one]:status:(pending in_progress success failed aborted)'
}

_rollbackctl_show() {
  _arguments -S \
    '-V[Display program version information and exit]' \
    '--version[Display program version information and exit]' \
    '--server[default\: ROLLBACKD_SERVER, else http\://127.0.0.1\:9641]:server: ' \
    '--token[default\: ROLLBACKD_TOKEN]:token: ' \
    '--config[lines server\: and token\: or token_file\:; default\: ~/.config/rollbackctl.yaml]:config:_files' \
    '-h[Print this help message and exit]' \
    '--help[Print this help message and exit]' \
    '--json[print what the daemon answered]' \
    ':event: _rollbackctl_asked events'
}

_rollbackctl_rollback() {
  _arguments -S \
    '-V[Display program version information and exit]' \
    '--version[Display program version information and exit]' \
    '--server[default\: ROLLBACKD_SERVER, else http\://127.0.0.1\:9641]:server: ' \
    '--token[default\: ROLLBACKD_TOKEN]:token: ' \
    '--config[lines server\: and token\: or token_file\:; default\: ~/.config/rollbackctl.yaml]:config:_files' \
    '-h[Print this help message and exit]' \
    '--help[Print this help message and exit]' \
    '--json[print what the daemon answered]' \
    '--reason[why; it is recorded]:reason: ' \
    '--yes[do not ask]' \
    '--dry-run[only show plan and validation]' \
    '--revert-migrations[run the rollback scripts of the migrations since the target]' \
    '*--override[set this precondition aside (scope override); may be repeated]:override:(already_stable superseded rollback_of_rollback migration inconsistent_database unsafe_value paused)' \
    '--initiated-by[a person’s uuid]:initiated-by: ' \
    ':deployment: _rollbackctl_asked deployments'
}

_rollbackctl_approve() {
  _arguments -S \
    '-V[Display program version information and exit]' \
    '--version[Display program version information and exit]' \
    '--server[default\: ROLLBACKD_SERVER, else http\://127.0.0.1\:9641]:server: ' \
    '--token[default\: ROLLBACKD_TOKEN]:token: ' \
    '--config[lines server\: and token\: or token_file\:; default\: ~/.config/rollbackctl.yaml]:config:_files' \
    '-h[Print this help message and exit]' \
    '--help[Print this help message and exit]' \
    '--json[print what the daemon answered]' \
    '--reason[why; it is recorded]:reason: ' \
    ':event: _rollbackctl_asked events'
}

_rollbackctl_abort() {
  _arguments -S \
    '-V[Display program version information and exit]' \
    '--version[Display program version information and exit]' \
    '--server[default\: ROLLBACKD_SERVER, else http\://127.0.0.1\:9641]:server: ' \
    '--token[default\: ROLLBACKD_TOKEN]:token: ' \
    '--config[lines server\: and token\: or token_file\:; default\: ~/.config/rollbackctl.yaml]:config:_files' \
    '-h[Print this help message and exit]' \
    '--help[Print this help message and exit]' \
    '--json[print what the daemon answered]' \
    '--reason[why; it is recorded]:reason: ' \
    ':event: _rollbackctl_asked events'
}

_rollbackctl_pause() {
  _arguments -S \
    '-V[Display program version information and exit]' \
    '--version[Display program version information and exit]' \
    '--server[default\: ROLLBACKD_SERVER, else http\://127.0.0.1\:9641]:server: ' \
    '--token[default\: ROLLBACKD_TOKEN]:token: ' \
    '--config[lines server\: and token\: or token_file\:; default\: ~/.config/rollbackctl.yaml]:config:_files' \
    '-h[Print this help message and exit]' \
    '--help[Print this help message and exit]' \
    '--json[print what the daemon answered]' \
    '--reason[why; it is recorded]:reason: '
}

_rollbackctl_resume() {
  _arguments -S \
    '-V[Display program version information and exit]' \
    '--version[Display program version information and exit]' \
    '--server[default\: ROLLBACKD_SERVER, else http\://127.0.0.1\:9641]:server: ' \
    '--token[default\: ROLLBACKD_TOKEN]:token: ' \
    '--config[lines server\: and token\: or token_file\:; default\: ~/.config/rollbackctl.yaml]:config:_files' \
    '-h[Print this help message and exit]' \
    '--help[Print this help message and exit]' \
    '--json[print what the daemon answered]' \
    '--reason[why; it is recorded]:reason: ' \
    '--breaker[close the breaker of this environment]:breaker: _rollbackctl_asked environments'
}

_rollbackctl_record() {
  _arguments -S \
    '--server[default\: ROLLBACKD_SERVER, else http\://127.0.0.1\:9641]:server: ' \
    '--token[default\: ROLLBACKD_TOKEN]:token: ' \
    '--config[lines server\: and token\: or token_file\:; default\: ~/.config/rollbackctl.yaml]:config:_files' \
    '-h[Print this help message and exit]' \
    '--help[Print this help message and exit]' \
    '--json[print what the daemon answered]' \
    '--environment[for example production]:environment: _rollbackctl_asked environments' \
    '--service[default\: app]:service: ' \
    '--version[for example v2.5.3]:version: ' \
    '--commit[its git commit]:commit: ' \
    '--branch[its git branch]:branch: ' \
    '--status[pending, in_progress (default) or success; with --deployment also failed]:status:(pending in_progress success failed)' \
    '--deployment[change this one]:deployment: _rollbackctl_asked deployments'
}

_rollbackctl_gate() {
  _arguments -S \
    '-V[Display program version information and exit]' \
    '--version[Display program version information and exit]' \
    '--server[default\: ROLLBACKD_SERVER, else http\://127.0.0.1\:9641]:server: ' \
    '--token[default\: ROLLBACKD_TOKEN]:token: ' \
    '--config[lines server\: and token\: or token_file\:; default\: ~/.config/rollbackctl.yaml]:config:_files' \
    '-h[Print this help message and exit]' \
    '--help[Print this help message and exit]' \
    '--json[print what the daemon answered]' \
    '--timeout[for example 6m]:timeout: ' \
    ':deployment: _rollbackctl_asked deployments'
}

_rollbackctl_discord() {
  local context state line
  typeset -A opt_args
  _arguments -C \
    '-h[Print this help message and exit]' \
    '--help[Print this help message and exit]' \
    '1: :->verb' '*:: :->arguments'
  case $state in
    verb)
      local -a verbs=(
        'register:put the commands into the server, in place of this application’s own there'
      )
      _describe verb verbs
      ;;
    arguments)
      case $line[1] in
        register) _rollbackctl_discord_register ;;
      esac
      ;;
  esac
}

_rollbackctl_discord_register() {
  _arguments -S \
    '-V[Display program version information and exit]' \
    '--version[Display program version information and exit]' \
    '--server[default\: ROLLBACKD_SERVER, else http\://127.0.0.1\:9641]:server: ' \
    '--token[default\: ROLLBACKD_TOKEN]:token: ' \
    '-h[Print this help message and exit]' \
    '--help[Print this help message and exit]' \
    '--config[rollbackd’s configuration; only its section discord is read]:config: ' \
    '--application[instead of discord.application_id]:application: ' \
    '--guild[instead of discord.guild_id]:guild: ' \
    '--bot-token-file[instead of discord.bot_token_file]:bot-token-file: ' \
    '--api-url[instead of discord.api_url]:api-url: ' \
    '--print[print what would be sent, and send nothing]' \
    '--json[print what Discord answered]'
}

_rollbackctl "$@"
