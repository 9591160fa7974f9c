# Completion of simplane for bash. Load it with: source <(simplane completion bash)
# The program itself knows what can follow: `simplane __complete WORDS...` prints one
# word a line, a description behind a tab, and last a number of flags after a colon.

_simplane() {
    COMPREPLY=()
    local line="${COMP_LINE:0:COMP_POINT}" words last out directive prefix
    # Words as the program gets them: bash itself would part them at = and : as well.
    read -ra words <<< "$line"
    case "$line" in *[[:space:]]) last="" ;; *) last="${words[-1]}"; unset 'words[-1]' ;; esac
    out=$("${words[0]}" __complete "${words[@]:1}" "$last" 2>/dev/null) || return
    directive="${out##*:}"
    out="${out%:*}"
    (( directive & 1 )) && return
    # What bash has parted already is not replaced: only what follows the last part is.
    prefix=""
    case "$last" in
        *=*) [[ $COMP_WORDBREAKS == *=* ]] && prefix="${last%"${last##*=}"}" ;;
        *:*) [[ $COMP_WORDBREAKS == *:* ]] && prefix="${last%"${last##*:}"}" ;;
    esac
    local word value="$last"
    [[ $last == -*=* ]] && value="${last#*=}"
    while IFS= read -r word; do
        word="${word%%$'\t'*}"
        [[ -n $word ]] || continue
        if [[ $last == -*=* && $word != -* ]]; then
            [[ $word == "$value"* ]] && COMPREPLY+=("$word")
        elif [[ $word == "$last"* ]]; then
            COMPREPLY+=("${word#"$prefix"}")
        fi
    done <<< "$out"
    if (( directive & 2 )) || [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]]; then
        compopt -o nospace 2>/dev/null
    fi
    if (( ! (directive & 4) )) && [[ ${#COMPREPLY[@]} -eq 0 ]]; then
        local names
        mapfile -t names < <(compgen -f -- "$value")
        COMPREPLY=("${names[@]}")
        compopt -o filenames 2>/dev/null
    fi
}

complete -F _simplane simplane
