<#
.SYNOPSIS
Sends a mail with an attachment through relay365 and waits until Exchange has taken it.

.DESCRIPTION
Runs in Windows PowerShell 5.1 and in PowerShell 7. Where relay365 is, and the key, come from the environment variables
RELAY365_URL and RELAY365_KEY.

.EXAMPLE
./send.ps1 someone@example.com ./invoice.pdf
#>
param(
    [Parameter(Mandatory)] [string] $To,
    [Parameter(Mandatory)] [string] $File
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

$Url = if ($env:RELAY365_URL) { $env:RELAY365_URL } else { 'http://localhost:3000' }
$Headers = if ($env:RELAY365_KEY) { @{ Authorization = "Bearer $env:RELAY365_KEY" } } else { @{} }
$Final = 'sent', 'failed', 'expired', 'canceled'
$WaitSeconds = 30

function Get-AnswerText($Failure) {
    if ($Failure.ErrorDetails) { return $Failure.ErrorDetails.Message }
    if ($Failure.Exception -isnot [Net.WebException] -or -not $Failure.Exception.Response) { return $Failure.Exception.Message }
    # Windows PowerShell 5.1 may leave the answer in the response.
    $stream = $Failure.Exception.Response.GetResponseStream()
    if ($stream.CanSeek) { $stream.Position = 0 }
    ([IO.StreamReader] $stream).ReadToEnd()
}

# Ends the script with a refusal's text: each field that is wrong, by name.
function Stop-WithProblem($Failure) {
    $text = Get-AnswerText $Failure
    try {
        $problem = $text | ConvertFrom-Json
        $text = "$($problem.status) $($problem.title)"
        if ($problem.PSObject.Properties['detail']) { $text += ": $($problem.detail)" }
        if ($problem.PSObject.Properties['errors']) {
            foreach ($item in $problem.errors) { $text += "`n  $($item.field): $($item.message)" }
        }
    } catch {
        # Not a problem of relay365's, but a proxy's page or no connection: its text stands as it is.
        Write-Verbose $_
    }
    [Console]::Error.WriteLine($text)
    exit 1
}

function Invoke-Relay365($Method, $Path, $Body) {
    $request = @{ Method = $Method; Uri = "$Url$Path"; Headers = $Headers; TimeoutSec = 30 }
    if ($Body) {
        # As bytes: Windows PowerShell 5.1 sends a string as ISO 8859-1.
        $request.Body = [Text.Encoding]::UTF8.GetBytes(($Body | ConvertTo-Json -Depth 5))
        $request.ContentType = 'application/json; charset=utf-8'
    }
    try { Invoke-RestMethod @request } catch { Stop-WithProblem $_ }
}

$path = (Resolve-Path -LiteralPath $File).ProviderPath
$accepted = Invoke-Relay365 Post '/send' @{
    to          = $To
    subject     = "Invoice 4711 $([char]0x2013) M$([char]0xFC)ller GmbH"
    text        = 'The invoice is attached.'
    attachments = @(@{ filename = Split-Path -Leaf $path; content = [Convert]::ToBase64String([IO.File]::ReadAllBytes($path)) })
}
"accepted: $($accepted.id)"

$deadline = (Get-Date).AddSeconds($WaitSeconds)
do {
    $message = Invoke-Relay365 Get "/messages/$($accepted.id)"
    $done = $Final -contains $message.status -or (Get-Date) -gt $deadline
    if (-not $done) { Start-Sleep -Seconds 1 }
} until ($done)
$message.status

if ($message.status -ne 'sent') {
    $explanation = $message.attempts | Select-Object -Last 1 -ExpandProperty explanation
    [Console]::Error.WriteLine($(if ($explanation) { $explanation } else { 'relay365 goes on trying.' }))
    exit 1
}
