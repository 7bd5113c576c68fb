# Completion of zego-mcp for PowerShell. To use it in this shell:
#   zego-mcp completion powershell | Out-String | Invoke-Expression

Register-ArgumentCompleter -Native -CommandName 'zego-mcp', 'zego-mcp.exe' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $elements = @($commandAst.CommandElements | Where-Object { $_.Extent.StartOffset -lt $cursorPosition })
    $program = $elements[0].ToString().Trim("'", '"')
    $words = @($elements | Select-Object -Skip 1 | ForEach-Object { $_.ToString().Trim("'", '"') })
    if ("$wordToComplete" -eq '') {
        $words += ' ' # Old versions do not pass on a word that is empty.
    }
    & $program __complete '--' @words 2>$null | ForEach-Object {
        $value, $about = $_ -split "`t", 2
        if ($value -ne '' -and $value -ne ':files') { # Without a result, PowerShell completes files.
            if ("$about" -eq '') { $about = $value }
            [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $about)
        }
    }
}
