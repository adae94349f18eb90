# packaging\run.ps1 [ARGUMENTS OF CAMCLINIC]
# Installs what is missing, builds Camclinic and its capture process in release and starts it:
#   powershell -ExecutionPolicy Bypass -File packaging\run.ps1
# Quote an argument with a comma, else PowerShell makes two of it: packaging\run.ps1 'sim:1280x720@30,stall@5s+3s'
. (Join-Path $PSScriptRoot 'setup.ps1')

Push-Location $Top
try { cargo build --release --bins @Features } finally { Pop-Location }
if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
& (Join-Path $Target 'release\camclinic.exe') @args
exit $LASTEXITCODE
