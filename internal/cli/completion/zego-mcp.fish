# Completion of zego-mcp for fish. Write it to ~/.config/fish/completions/zego-mcp.fish, or, to
# use it in this shell:
#   zego-mcp completion fish | source

function __zego_mcp_complete
    set -l words (commandline -opc)
    set -l typed (commandline -ct)
    set -l program (string replace -r '^~' $HOME -- $words[1])
    set -e words[1]
    for line in ($program __complete -- $words "$typed" 2>/dev/null)
        if string match -q ':files*' -- $line
            __fish_complete_path "$typed"
        else
            echo $line
        end
    end
end

complete -c zego-mcp -f -a '(__zego_mcp_complete)'
