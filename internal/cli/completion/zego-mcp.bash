# Completion of zego-mcp for bash. To use it in this shell:
#   source <(zego-mcp completion bash)

_zego_mcp() {
	# Bash has split words at = and :, which belong to them. Words that no blank separates are
	# joined again, up to the cursor.
	local rest="${COMP_LINE:0:COMP_POINT}" words=() word last=-1 i
	for ((i = 0; i <= COMP_CWORD; i++)); do
		word="${COMP_WORDS[i]}"
		if [[ $last -lt 0 || $rest == [[:space:]]* ]]; then
			rest="${rest#"${rest%%[![:space:]]*}"}"
			last=$((last + 1))
			words[last]=""
		fi
		[[ $i -eq $COMP_CWORD ]] && word="$rest"
		words[last]+="$word"
		rest="${rest#"$word"}"
	done
	local typed="${words[last]}" program="${words[0]/#\~/$HOME}" line value about
	local values=() abouts=() foreign=""
	while IFS=$'\t' read -r value about; do
		if [[ $value == :files ]]; then
			compopt -o filenames 2>/dev/null
			while IFS= read -r value; do COMPREPLY+=("$value"); done < <(compgen -f -- "${typed##*=}")
			return
		fi
		[[ -n $value ]] || continue
		[[ $value == "$typed"* ]] || foreign=yes
		values+=("$value")
		abouts+=("$about")
	done < <("$program" __complete -- "${words[@]:1}" 2>/dev/null)

	# What stands before the last = or : is not replaced.
	local kept=""
	[[ $COMP_WORDBREAKS == *=* && $typed == *=* ]] && kept="${typed%"${typed##*=}"}"
	for ((i = 0; i < ${#values[@]}; i++)); do
		value="${values[i]#"$kept"}"
		[[ $value == *= ]] && compopt -o nospace 2>/dev/null
		# A listing shows what the values mean.
		[[ ${#values[@]} -gt 1 && -n ${abouts[i]} && $COMP_TYPE -ne 37 ]] && value+="  (${abouts[i]})"
		COMPREPLY+=("$value")
	done
	# Values that do not begin with what was typed, such as ids that were found by a name, must
	# not replace it before one is chosen.
	[[ -n $foreign && ${#values[@]} -gt 1 ]] && COMPREPLY+=(" ")
	return 0
}

complete -F _zego_mcp zego-mcp
