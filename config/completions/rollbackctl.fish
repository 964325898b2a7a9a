# fish completion of rollbackctl. Made by tests/terminal/completions.py from what rollbackctl --help says.

# The options of the line that say where the daemon is.
function __rollbackctl_asked
    set -l words (commandline -opc)
    set -l access
    for i in (seq 2 (count $words))
        if contains -- $words[$i] --server --token --config
            set -a access $words[$i] $words[(math $i + 1)]
        end
    end
    rollbackctl $access complete $argv[1] 2>/dev/null
end

# Whether the words so far, without options and their values, begin with these and are at most so many.
function __rollbackctl_at
    set -l words (commandline -opc)
    set -l found
    set -l skip 0
    for word in $words[2..-1]
        if test $skip = 1
            set skip 0
        else if contains -- $word --api-url --application --bot-token-file --branch --breaker --commit --config --deployment --environment --guild --initiated-by --limit --override --reason --server --service --status --timeout --token --version
            set skip 1
        else if not string match -q -- '-*' $word
            set -a found $word
        end
    end
    test (count $found) -le $argv[1]
    or return 1
    for i in (seq (math (count $argv) - 1))
        test "$found[$i]" = $argv[(math $i + 1)]
        or return 1
    end
end

complete -c rollbackctl -f
complete -c rollbackctl -s h -l help -d 'Print this help message and exit'
complete -c rollbackctl -s V -l version -d 'Display program version information and exit'
complete -c rollbackctl -l server -d 'default: ROLLBACKD_SERVER, else http://127.0.0.1:9641' -x
complete -c rollbackctl -l token -d 'default: ROLLBACKD_TOKEN' -x
complete -c rollbackctl -l config -d 'lines server: and token: or token_file:; default: ~/.config/rollbackctl.yaml' -r -F
complete -c rollbackctl -n '__rollbackctl_at 0' -a status -d 'services with version, rates and state; pause and breakers'
complete -c rollbackctl -n '__rollbackctl_at 0' -a watch -d 'the same, renewed until Ctrl-C'
complete -c rollbackctl -n '__rollbackctl_at 0' -a check -d 'whether a deployment should be rolled back (exit code 3: yes)'
complete -c rollbackctl -n '__rollbackctl_at 0' -a deployments -d 'the last deployments'
complete -c rollbackctl -n '__rollbackctl_at 0' -a history -d 'the last rollbacks'
complete -c rollbackctl -n '__rollbackctl_at 0' -a show -d 'one rollback: evidence, validation, steps'
complete -c rollbackctl -n '__rollbackctl_at 0' -a rollback -d 'roll a deployment back'
complete -c rollbackctl -n '__rollbackctl_at 0' -a approve -d 'turn a proposal into the rollback'
complete -c rollbackctl -n '__rollbackctl_at 0' -a abort -d 'stop a rollback before its dispatch, or a proposal'
complete -c rollbackctl -n '__rollbackctl_at 0' -a pause -d 'the emergency stop: nothing is rolled back'
complete -c rollbackctl -n '__rollbackctl_at 0' -a resume -d 'end the pause, or close a breaker'
complete -c rollbackctl -n '__rollbackctl_at 0' -a record -d 'record a deployment, or change its status'
complete -c rollbackctl -n '__rollbackctl_at 0' -a gate -d 'wait out a deployment’s probation (exit code 3: rolled back)'
complete -c rollbackctl -n '__rollbackctl_at 0' -a discord -d 'the commands in Discord'
complete -c rollbackctl -n '__rollbackctl_at 100 status' -l json -d 'print what the daemon answered'
complete -c rollbackctl -n '__rollbackctl_at 100 watch' -l json -d 'print what the daemon answered'
complete -c rollbackctl -n '__rollbackctl_at 100 check' -l json -d 'print what the daemon answered'
complete -c rollbackctl -n '__rollbackctl_at 1 check' -x -a '(__rollbackctl_asked deployments)'
complete -c rollbackctl -n '__rollbackctl_at 100 deployments' -l json -d 'print what the daemon answered'
complete -c rollbackctl -n '__rollbackctl_at 100 deployments' -l limit -d 'rows' -x
complete -c rollbackctl -n '__rollbackctl_at 100 deployments' -l environment -d 'only of this one' -x -a '(__rollbackctl_asked environments)'
complete -c rollbackctl -n '__rollbackctl_at 100 deployments' -l service -d 'only of this one' -x
complete -c rollbackctl -n '__rollbackctl_at 100 deployments' -l status -d 'only with this one' -x -a 'pending in_progress success failed rolled_back'
complete -c rollbackctl -n '__rollbackctl_at 100 deployments' -l version -d 'only of this one' -x
complete -c rollbackctl -n '__rollbackctl_at 100 history' -l json -d 'print what the daemon answered'
complete -c rollbackctl -n '__rollbackctl_at 100 history' -l limit -d 'rows' -x
complete -c rollbackctl -n '__rollbackctl_at 100 history' -l environment -d 'only of this one' -x -a '(__rollbackctl_asked environments)'
complete -c rollbackctl -n '__rollbackctl_at 100 history' -l service -d 'only of this one' -x
complete -c rollbackctl -n '__rollbackctl_at 100 history' -l status -d 'only with this one' -x -a 'pending in_progress success failed aborted'
complete -c rollbackctl -n '__rollbackctl_at 100 show' -l json -d 'print what the daemon answered'
complete -c rollbackctl -n '__rollbackctl_at 1 show' -x -a '(__rollbackctl_asked events)'
complete -c rollbackctl -n '__rollbackctl_at 100 rollback' -l json -d 'print what the daemon answered'
complete -c rollbackctl -n '__rollbackctl_at 100 rollback' -l reason -d 'why; it is recorded' -x
complete -c rollbackctl -n '__rollbackctl_at 100 rollback' -l yes -d 'do not ask'
complete -c rollbackctl -n '__rollbackctl_at 100 rollback' -l dry-run -d 'only show plan and validation'
complete -c rollbackctl -n '__rollbackctl_at 100 rollback' -l revert-migrations -d 'run the rollback scripts of the migrations since the target'
complete -c rollbackctl -n '__rollbackctl_at 100 rollback' -l override -d 'set this precondition aside (scope override); may be repeated' -x -a 'already_stable superseded rollback_of_rollback migration inconsistent_database unsafe_value paused'
complete -c rollbackctl -n '__rollbackctl_at 100 rollback' -l initiated-by -d 'a person’s uuid' -x
complete -c rollbackctl -n '__rollbackctl_at 1 rollback' -x -a '(__rollbackctl_asked deployments)'
complete -c rollbackctl -n '__rollbackctl_at 100 approve' -l json -d 'print what the daemon answered'
complete -c rollbackctl -n '__rollbackctl_at 100 approve' -l reason -d 'why; it is recorded' -x
complete -c rollbackctl -n '__rollbackctl_at 1 approve' -x -a '(__rollbackctl_asked events)'
complete -c rollbackctl -n '__rollbackctl_at 100 abort' -l json -d 'print what the daemon answered'
complete -c rollbackctl -n '__rollbackctl_at 100 abort' -l reason -d 'why; it is recorded' -x
complete -c rollbackctl -n '__rollbackctl_at 1 abort' -x -a '(__rollbackctl_asked events)'
complete -c rollbackctl -n '__rollbackctl_at 100 pause' -l json -d 'print what the daemon answered'
complete -c rollbackctl -n '__rollbackctl_at 100 pause' -l reason -d 'why; it is recorded' -x
complete -c rollbackctl -n '__rollbackctl_at 100 resume' -l json -d 'print what the daemon answered'
complete -c rollbackctl -n '__rollbackctl_at 100 resume' -l reason -d 'why; it is recorded' -x
complete -c rollbackctl -n '__rollbackctl_at 100 resume' -l breaker -d 'close the breaker of this environment' -x -a '(__rollbackctl_asked environments)'
complete -c rollbackctl -n '__rollbackctl_at 100 record' -l json -d 'print what the daemon answered'
complete -c rollbackctl -n '__rollbackctl_at 100 record' -l environment -d 'for example production' -x -a '(__rollbackctl_asked environments)'
complete -c rollbackctl -n '__rollbackctl_at 100 record' -l service -d 'default: app' -x
complete -c rollbackctl -n '__rollbackctl_at 100 record' -l version -d 'for example v2.5.3' -x
complete -c rollbackctl -n '__rollbackctl_at 100 record' -l commit -d 'its git commit' -x
complete -c rollbackctl -n '__rollbackctl_at 100 record' -l branch -d 'its git branch' -x
complete -c rollbackctl -n '__rollbackctl_at 100 record' -l status -d 'pending, in_progress (default) or success; with --deployment also failed' -x -a 'pending in_progress success failed'
complete -c rollbackctl -n '__rollbackctl_at 100 record' -l deployment -d 'change this one' -x -a '(__rollbackctl_asked deployments)'
complete -c rollbackctl -n '__rollbackctl_at 100 gate' -l json -d 'print what the daemon answered'
complete -c rollbackctl -n '__rollbackctl_at 100 gate' -l timeout -d 'for example 6m' -x
complete -c rollbackctl -n '__rollbackctl_at 1 gate' -x -a '(__rollbackctl_asked deployments)'
complete -c rollbackctl -n '__rollbackctl_at 1 discord' -a register -d 'put the commands into the server, in place of this application’s own there'
complete -c rollbackctl -n '__rollbackctl_at 101 discord register' -l config -d 'rollbackd’s configuration; only its section discord is read' -x
complete -c rollbackctl -n '__rollbackctl_at 101 discord register' -l application -d 'instead of discord.application_id' -x
complete -c rollbackctl -n '__rollbackctl_at 101 discord register' -l guild -d 'instead of discord.guild_id' -x
complete -c rollbackctl -n '__rollbackctl_at 101 discord register' -l bot-token-file -d 'instead of discord.bot_token_file' -x
complete -c rollbackctl -n '__rollbackctl_at 101 discord register' -l api-url -d 'instead of discord.api_url' -x
complete -c rollbackctl -n '__rollbackctl_at 101 discord register' -l print -d 'print what would be sent, and send nothing'
complete -c rollbackctl -n '__rollbackctl_at 101 discord register' -l json -d 'print what Discord answered'
