# fish completion of rollbackd. Made by tests/terminal/completions.py from what rollbackd --help says.

# The options of the line that say where the daemon is.
function __rollbackd_asked
    set -l words (commandline -opc)
    set -l access
    for i in (seq 2 (count $words))
        if contains -- $words[$i] --server --token --config
            set -a access $words[$i] $words[(math $i + 1)]
        end
    end
    rollbackd $access complete $argv[1] 2>/dev/null
end

# Whether the words so far, without options and their values, begin with these and are at most so many.
function __rollbackd_at
    set -l words (commandline -opc)
    set -l found
    set -l skip 0
    for word in $words[2..-1]
        if test $skip = 1
            set skip 0
        else if contains -- $word --config --conninfo
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

complete -c rollbackd -f
complete -c rollbackd -s h -l help -d 'Print this help message and exit'
complete -c rollbackd -l version -d 'Display program version information and exit'
complete -c rollbackd -n '__rollbackd_at 0' -a run -d 'watch, decide and roll back, until SIGTERM'
complete -c rollbackd -n '__rollbackd_at 0' -a check-config -d 'say every mistake of the configuration file, or what counts'
complete -c rollbackd -n '__rollbackd_at 0' -a doctor -d 'look whether everything it needs is there and works'
complete -c rollbackd -n '__rollbackd_at 0' -a explain -d 'tell a rollback’s, or a deployment’s, story from the database alone'
complete -c rollbackd -n '__rollbackd_at 0' -a install -d 'put tables, functions and triggers into the database'
complete -c rollbackd -n '__rollbackd_at 0' -a uninstall -d 'remove triggers, functions and our own tables'
complete -c rollbackd -n '__rollbackd_at 100 run' -l config -d 'configuration file (YAML)' -r -F
complete -c rollbackd -n '__rollbackd_at 100 check-config' -l config -d 'configuration file (YAML)' -r -F
complete -c rollbackd -n '__rollbackd_at 100 check-config' -l json -d 'print for programs'
complete -c rollbackd -n '__rollbackd_at 100 doctor' -l config -d 'configuration file (YAML)' -r -F
complete -c rollbackd -n '__rollbackd_at 100 doctor' -l json -d 'print for programs'
complete -c rollbackd -n '__rollbackd_at 100 explain' -l config -d 'configuration file (YAML)' -r -F
complete -c rollbackd -n '__rollbackd_at 100 explain' -l json -d 'print for programs'
complete -c rollbackd -n '__rollbackd_at 100 explain' -l conninfo -d 'database, as libpq reads it' -x
complete -c rollbackd -n '__rollbackd_at 100 install' -l config -d 'configuration file (YAML)' -r -F
complete -c rollbackd -n '__rollbackd_at 100 install' -l print -d 'print the SQL instead of running it'
complete -c rollbackd -n '__rollbackd_at 100 install' -l conninfo -d 'database, as libpq reads it' -x
complete -c rollbackd -n '__rollbackd_at 100 uninstall' -l config -d 'configuration file (YAML)' -r -F
complete -c rollbackd -n '__rollbackd_at 100 uninstall' -l conninfo -d 'database, as libpq reads it' -x
complete -c rollbackd -n '__rollbackd_at 100 uninstall' -l purge -d 'remove the other tables and their rows, too'
