"""The text of a completion for each shell."""

import program_help

MADE = "Made by tests/terminal/completions.py from what {program} --help says."


def with_values(options):
    return [name for option in options if option.takes for name in option.names]


def plain(text):
    """Without what the shells take for something else."""
    return text.replace("'", "’").replace("`", "’").replace("$", "").replace("\\", "")


# --- bash ---------------------------------------------------------------------------------------------

BASH = """# bash completion of {program}. {made}
{asked}
_{program}() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD - 1]}}" verb="" i
  local -a access=()
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "${{COMP_WORDS[i]}}" in
      {values})
        case "${{COMP_WORDS[i]}}" in
          --server | --token | --config) access+=("${{COMP_WORDS[i]}}" "${{COMP_WORDS[i + 1]}}") ;;
        esac
        ((i++))
        ;;
      -*) ;;
      *) [[ " {groups} " != *" $verb "* ]] || verb="${{verb:+$verb }}${{COMP_WORDS[i]}}" ;;
    esac
  done
  case "$verb $before" in
{after}
  esac
  if [[ "$word" == -* ]]; then
    case "$verb" in
{options}
    esac
    return
  fi
  case "$verb" in
{words}
  esac
}}
complete -F _{program} {program}
"""

BASH_FILES = """compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -f -- "$word")"""
BASH_WORDS = """mapfile -t COMPREPLY < <(compgen -W "{words}" -- "$word")"""
BASH_ASKED = """_{program}_asked {what}"""
# Whoever writes deployments chose these words: compgen -W would carry out a $(…) in one of them.
BASH_ASKED_FUNCTION = """
# Adds what the daemon knows and begins like the word, quoted: to be inserted, and never to be obeyed.
_{program}_asked() {{
  local found
  while IFS= read -r found; do
    [[ "$found" == "$word"* ]] || continue
    printf -v found %q "$found"
    COMPREPLY+=("$found")
  done < <({program} "${{access[@]}}" complete "$1" 2>/dev/null | cut -f1)
}}
"""


def bash_value(program, value):
    if value == "files":
        return BASH_FILES
    if value == "nothing":
        return ":"
    if isinstance(value, list):
        return BASH_WORDS.format(words=" ".join(value))
    return BASH_ASKED.format(program=program, what=value)


def bash_words(program, verb, value_of):
    if verb.verbs:
        return BASH_WORDS.format(words=" ".join(child.words[-1] for child in verb.verbs))
    return bash_value(program, value_of(program, verb.name, verb.positionals[0][0]) if verb.positionals else "nothing")


def bash_case(pattern, command, finish=""):
    return f"    {pattern})\n      {command}\n{finish}      ;;"


def bash(program, whole, value_of):
    verbs = list(program_help.all_verbs(whole))
    after, options, words = [], [], []
    for verb in verbs:
        for option in verb.options:
            if option.takes:
                value = bash_value(program, value_of(program, verb.name, option.name))
                for name in option.names:
                    # Options of the program may stand behind any verb.
                    pattern = f'*" {name}"' if verb is whole else f'"{verb.name} {name}"'
                    after.append((verb is whole, bash_case(pattern, value, "      return\n")))
        both = [name for option in verb.options + ([] if verb is whole else whole.options) for name in option.names]
        names = " ".join(dict.fromkeys(both))
        options.append(bash_case(f'"{verb.name}"', BASH_WORDS.format(words=names)).replace("\n", "\n  ").replace("    \"", "      \"", 1))
        words.append(bash_case(f'"{verb.name}"', bash_words(program, verb, value_of)))
    taking = sorted({name for verb in verbs for name in with_values(verb.options)})
    asks = any(BASH_ASKED.format(program=program, what="") in text for text in words + [text for _, text in after])
    return BASH.format(
        program=program, made=MADE.format(program=program),
        asked=BASH_ASKED_FUNCTION.format(program=program) if asks else "", values=" | ".join(taking),
        groups=" ".join(["", *(verb.name for verb in verbs if verb.verbs)]),
        after="\n".join(text for _, text in sorted(after, key=lambda each: each[0])),
        options="\n".join(options), words="\n".join(words))


# --- zsh ----------------------------------------------------------------------------------------------

ZSH = """#compdef {program}
# zsh completion of {program}. {made}

_{program}_asked() {{
  local i
  local -a access found
  for ((i = 1; i < CURRENT; i++)); do
    if [[ "${{words[i]}}" == (--server|--token|--config) ]]; then
      access+=("${{words[i]}}" "${{words[i + 1]}}")
    fi
  done
  found=("${{(@f)$({program} $access complete $1 2>/dev/null)}}")
  found=(${{found//:/\\\\:}})
  found=(${{found//$'\\t'/:}})
  _describe -V $1 found
}}

{functions}
_{program} "$@"
"""

ZSH_FUNCTION = """_{function}() {{
  _arguments -S {program_options}{options}{rest}
}}
"""

ZSH_GROUP = """_{function}() {{
  local context state line
  typeset -A opt_args
  _arguments -C {options}\\
    '1: :->verb' '*:: :->arguments'
  case $state in
    verb)
      local -a verbs=(
{verbs}
      )
      _describe verb verbs
      ;;
    arguments)
      case $line[1] in
{cases}
      esac
      ;;
  esac
}}
"""


def zsh_value(program, value):
    if value == "files":
        return "_files"
    if value == "nothing":
        return " "
    if isinstance(value, list):
        return f"({' '.join(value)})"
    return f" _{program}_asked {value}"  # the space keeps _arguments from adding words of its own


def zsh_text(text):
    return plain(text).replace("[", "(").replace("]", ")").replace(":", "\\:")


def zsh_option(program, verb, option, value_of):
    lines = []
    for name in option.names:
        repeat = "*" if option.repeats else ""
        value = ""
        if option.takes:
            value = f":{option.name.strip('-')}:{zsh_value(program, value_of(program, verb.name, option.name))}"
        lines.append(f"    '{repeat}{name}[{zsh_text(option.help)}]{value}' \\\n")
    return "".join(lines)


def zsh_function(program, words):
    return "_".join([program, *words]).replace("-", "_")


def zsh(program, whole, value_of):
    functions = []
    for verb in program_help.all_verbs(whole):
        function = zsh_function(program, verb.words)
        own = "".join(zsh_option(program, verb, option, value_of) for option in verb.options)
        if verb.verbs:
            functions.append(ZSH_GROUP.format(
                function=function, options="\\\n" + own.rstrip("\\\n ") + " ",
                verbs="\n".join(f"        '{child.words[-1]}:{zsh_text(child.help)}'" for child in verb.verbs),
                cases="\n".join(f"        {child.words[-1]}) _{zsh_function(program, child.words)} ;;" for child in verb.verbs)))
            continue
        known = {name for option in verb.options for name in option.names}
        shared = "".join(zsh_option(program, whole, option, value_of) for option in whole.options
                         if not known.intersection(option.names))
        rest = ""
        for name, _ in verb.positionals:
            rest += f"    ':{name}:{zsh_value(program, value_of(program, verb.name, name))}' \\\n"
        lines = ("\\\n" + shared + own + rest).rstrip("\\\n ")
        functions.append(ZSH_FUNCTION.format(function=function, program_options=lines, options="", rest=""))
    return ZSH.format(program=program, made=MADE.format(program=program), functions="\n".join(functions))


# --- fish ---------------------------------------------------------------------------------------------

FISH = """# fish completion of {program}. {made}

# The options of the line that say where the daemon is.
function __{program}_asked
    set -l words (commandline -opc)
    set -l access
    for i in (seq 2 (count $words))
        if contains -- $words[$i] --server --token --config
            set -a access $words[$i] $words[(math $i + 1)]
        end
    end
    {program} $access complete $argv[1] 2>/dev/null
end

# Whether the words so far, without options and their values, begin with these and are at most so many.
function __{program}_at
    set -l words (commandline -opc)
    set -l found
    set -l skip 0
    for word in $words[2..-1]
        if test $skip = 1
            set skip 0
        else if contains -- $word {values}
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

complete -c {program} -f
{lines}
"""


def fish_value(program, value):
    if value == "files":
        return " -r -F"
    if value == "nothing":
        return " -x"
    if isinstance(value, list):
        return f" -x -a '{' '.join(value)}'"
    return f" -x -a '(__{program}_asked {value})'"


def fish_at(program, verb, more):
    """The condition: the words of the verb, and at most so many more of others."""
    words = "".join(f" {word}" for word in verb.words)
    return f"-n '__{program}_at {len(verb.words) + more}{words}'"


def fish_option(program, verb, option, condition, value_of):
    names = "".join(f" -l {name[2:]}" if name.startswith("--") else f" -s {name[1:]}" for name in option.names)
    value = fish_value(program, value_of(program, verb.name, option.name)) if option.takes else ""
    return f"complete -c {program}{condition}{names} -d '{plain(option.help)}'{value}"


def fish(program, whole, value_of):
    lines = []
    many = 99
    for option in whole.options:
        lines.append(fish_option(program, whole, option, "", value_of))
    for verb in program_help.all_verbs(whole):
        if verb is not whole:
            for option in verb.options:
                if option.names != ["-h", "--help"]:
                    condition = " " + fish_at(program, verb, many)
                    lines.append(fish_option(program, verb, option, condition, value_of))
            for place, (name, _) in enumerate(verb.positionals):
                value = value_of(program, verb.name, name)
                if value != "nothing":
                    lines.append(f"complete -c {program} {fish_at(program, verb, place)}{fish_value(program, value)}")
        for child in verb.verbs:
            lines.append(f"complete -c {program} {fish_at(program, verb, 0)} -a {child.words[-1]} -d '{plain(child.help)}'")
    taking = sorted({name for verb in program_help.all_verbs(whole) for name in with_values(verb.options)})
    return FISH.format(program=program, made=MADE.format(program=program), values=" ".join(taking), lines="\n".join(lines))


ALL = {"bash": bash, "zsh": zsh, "fish": fish}
