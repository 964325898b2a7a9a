# The linters of ./dev lint. Read by ./dev; not to be run.
# shellcheck shell=bash
# shellcheck disable=SC2154 # root and jobs are dev's

# Runs one linter over its files; remembers that it complained, so that all of them are heard.
lint_failed=0
lint_step() {
  say "lint: $1"
  shift
  "$@" || lint_failed=1
}

tidy() {
  local file compiled number=0 sources=()
  configure tidy
  compiled="$(sed -n 's/^ *"file": "\(.*\)",\{0,1\}$/\1/p' build/tidy/compile_commands.json)"
  for file in "$@"; do
    if grep -Fxq -- "$root/$file" <<<"$compiled"; then
      sources+=("$file")
    fi
  done
  # One process per file, and quiet about the thousands of warnings inside third parties' headers.
  # shellcheck disable=SC2016 # the inner shell is the one to expand
  for file in "${sources[@]}"; do
    printf '%s\0%s\0' "$((++number))/${#sources[@]}" "$file"
  done | xargs -0 -r -n 2 -P "$jobs" bash -c \
    'printf "    [%s] %s\n" "$1" "$2"; exec clang-tidy-14 -p build/tidy --quiet "$2"' tidy \
    2> >(grep -v ' warnings\? generated\.$' >&2)
}

lint() {
  local file
  local -a cpp=() headers=() shell=()
  if [[ $# -eq 0 ]]; then
    mapfile -t -d '' < <(find rules engine tests -name '*.[ch]pp' -print0 | sort -z)
    set -- "${MAPFILE[@]}" dev .ci/run
    mapfile -t -d '' < <(find engine tests config sql -name '*.sh' -print0 | sort -z)
    set -- "$@" "${MAPFILE[@]}"
  fi
  for file in "$@"; do
    [[ -f "$file" ]] || fail "there is no file '$file'" "Name files as the repository does: engine/loop.cpp"
    case "$file" in
      *.cpp) cpp+=("$file") ;;
      *.hpp) headers+=("$file") ;;
      *.sh | dev | .ci/run) shell+=("$file") ;;
    esac
  done
  lint_step "the layout of the source (tests/style/check_layout.py)" python3 -B tests/style/check_layout.py
  if ((${#shell[@]})); then
    lint_step "shellcheck of ${#shell[@]} scripts" shellcheck "${shell[@]}"
  fi
  if ((${#cpp[@]} + ${#headers[@]})); then
    lint_step "clang-format of $((${#cpp[@]} + ${#headers[@]})) files (to repair: clang-format-14 -i FILE)" \
      clang-format-14 --dry-run -Werror "${cpp[@]}" "${headers[@]}"
  fi
  if ((${#cpp[@]})); then
    lint_step "clang-tidy of ${#cpp[@]} files, some seconds each" tidy "${cpp[@]}"
  fi
  ((lint_failed == 0)) || fail "the linters found something" "Their findings are above, as file:line."
  say "lint: nothing found"
}
