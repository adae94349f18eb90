# packaging\test.ps1 [ARGUMENTS OF CARGO TEST]
# Installs what is missing and runs all tests, in a debug build:
#   powershell -ExecutionPolicy Bypass -File packaging\test.ps1
. (Join-Path $PSScriptRoot 'setup.ps1')
if (-not (Test-Command 'ffmpeg')) { Install-ByWinget 'Gyan.FFmpeg' 'to make video files for the tests' }

Push-Location $Top
try { cargo test @Features @args } finally { Pop-Location }
exit $LASTEXITCODE
