#compdef zego-mcp
# Completion of zego-mcp for zsh. Write it to the file _zego-mcp in a directory of $fpath, or,
# to use it in this shell:
#   source <(zego-mcp completion zsh)

_zego-mcp() {
	local line value
	local -a values shown open openshown how
	for line in "${(@f)$("${words[1]/#\~/$HOME}" __complete -- "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}"; do
		value="${line%%$'\t'*}"
		if [[ $value == :files ]]; then
			_files
			return
		fi
		[[ -n $value ]] || continue
		# Values that do not begin with what was typed, such as ids that were found by a name,
		# are offered one after another.
		if [[ $value != "${(Q)PREFIX}"* ]]; then
			how=(-U)
			compstate[insert]=menu
		fi
		if [[ $value == *= ]]; then
			open+=("$value") openshown+=("$value  ${line#*$'\t'}")
		else
			values+=("$value") shown+=("$value  ${line#*$'\t'}")
		fi
	done
	(( ${#values} )) && compadd "${how[@]}" -l -d shown -a values
	(( ${#open} )) && compadd "${how[@]}" -S '' -l -d openshown -a open
	return 0
}

if [[ ${funcstack[1]} == _zego-mcp ]]; then
	_zego-mcp "$@"
else
	compdef _zego-mcp zego-mcp
fi
