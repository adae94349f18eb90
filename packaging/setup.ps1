# packaging/setup.ps1: installs what is missing to build Camclinic on Windows, and says so before it does.
# run.ps1 and test.ps1 begin with it; it leaves cargo's feature flags in $Features. winget installs Rust, Microsoft's compiler and
# LLVM; OpenCV comes from vcpkg, if that is there. Without vcpkg the program is built without OpenCV and says what it lacks.
$ErrorActionPreference = 'Stop'
$Top = Split-Path -Parent $PSScriptRoot

function Say([string] $Text) { [Console]::Error.WriteLine("packaging: $Text") }

function Test-Command([string] $Name) { [bool](Get-Command $Name -ErrorAction SilentlyContinue) }

function Install-ByWinget([string] $Id, [string] $Reason, [string[]] $More = @()) {
    if (-not (Test-Command 'winget')) {
        throw "winget is missing: install 'App Installer' from the Microsoft Store, or $Id by hand, then run this again."
    }
    Say "installing, ${Reason}: $Id"
    winget install --exact --id $Id --source winget --accept-package-agreements --accept-source-agreements @More | Out-Host
    if ($LASTEXITCODE -ne 0) { throw "winget could not install $Id (status $LASTEXITCODE); the lines above tell why." }
}

function Test-Rust([version] $Least) {
    if (-not (Test-Command 'cargo') -or -not (Test-Command 'rustc')) { return $false }
    $found = [string](rustc --version)
    ($found -match '^rustc (\d+\.\d+)') -and ([version] $Matches[1] -ge $Least)
}

# Microsoft's compiler and linker, which Rust needs on Windows.
function Test-Compiler {
    $vswhere = Join-Path ${env:ProgramFiles(x86)} 'Microsoft Visual Studio\Installer\vswhere.exe'
    if (-not (Test-Path $vswhere)) { return $false }
    $tools = 'Microsoft.VisualStudio.Component.VC.Tools.x86.x64', 'Microsoft.VisualStudio.Component.VC.Tools.ARM64'
    [bool](& $vswhere -latest -products '*' -requiresAny -requires @tools -property installationPath)
}

function Find-Vcpkg {
    if ($env:VCPKG_ROOT -and (Test-Path (Join-Path $env:VCPKG_ROOT 'vcpkg.exe'))) { return $env:VCPKG_ROOT }
    $program = Get-Command 'vcpkg' -ErrorAction SilentlyContinue
    # The vcpkg inside Visual Studio cannot install a library for everybody: only a folder of its own counts.
    if ($program -and (Test-Path (Join-Path (Split-Path -Parent $program.Source) '.vcpkg-root'))) {
        return (Split-Path -Parent $program.Source)
    }
    return $null
}

# OpenCV by vcpkg; true when it can be built with.
function Install-OpenCV {
    $root = Find-Vcpkg
    if (-not $root) {
        Say 'vcpkg is not here, so this build has no OpenCV: cameras are reached through Windows (--backend native), and the'
        Say 'backends DirectShow, MSMF, FFmpeg and video files are left out. To have them, install vcpkg (https://vcpkg.io),'
        Say 'set VCPKG_ROOT to its folder, and run this again; building OpenCV then takes about an hour, once.'
        return $false
    }
    $triplet = 'x64-windows'
    $installed = Join-Path $root "installed\$triplet"
    if (-not (Test-Path (Join-Path $installed 'include\opencv4\opencv2\videoio.hpp'))) {
        Say "installing, to reach cameras and read video files (about an hour, once): vcpkg's opencv4 with FFmpeg"
        & (Join-Path $root 'vcpkg.exe') install "opencv4[core,dshow,ffmpeg,fs,intrinsics,jpeg,msmf,png,thread]:$triplet" | Out-Host
        if ($LASTEXITCODE -ne 0) {
            Say 'vcpkg could not build OpenCV (the lines above tell why): this build goes on without it.'
            return $false
        }
    }
    if (-not (Test-Path (Join-Path $env:ProgramFiles 'LLVM\bin\libclang.dll')) -and -not $env:LIBCLANG_PATH) {
        Install-ByWinget 'LLVM.LLVM' "to read OpenCV's headers"
    }
    if (-not $env:LIBCLANG_PATH) { $env:LIBCLANG_PATH = Join-Path $env:ProgramFiles 'LLVM\bin' }
    $env:VCPKG_ROOT = $root
    $env:VCPKGRS_DYNAMIC = '1'
    # clang for the build, OpenCV's DLLs for the capture process, which inherits the path
    $env:Path = "$(Join-Path $installed 'bin');$env:LIBCLANG_PATH;$env:Path"
    return $true
}

# This shell's PATH does not know yet what was installed since it was opened.
$env:Path = "$env:Path;$(Join-Path $env:USERPROFILE '.cargo\bin');$(Join-Path $env:LOCALAPPDATA 'Microsoft\WinGet\Links')"

if (-not (Test-Compiler)) {
    Install-ByWinget 'Microsoft.VisualStudio.2022.BuildTools' 'to link the program (some gigabytes)' `
        @('--override', '--wait --passive --add Microsoft.VisualStudio.Workload.VCTools --includeRecommended')
}

$msrv = [regex]::Match((Get-Content -Raw (Join-Path $Top 'Cargo.toml')), '(?m)^rust-version *= *"([0-9.]+)"').Groups[1].Value
if (-not (Test-Rust $msrv)) {
    if (-not (Test-Command 'rustup')) { Install-ByWinget 'Rustlang.Rustup' 'to compile the program' }
    if (-not (Test-Rust $msrv)) {
        Say "installing Rust $msrv with rustup"
        rustup toolchain install $msrv --profile minimal --component clippy --component rustfmt | Out-Host
        if ($LASTEXITCODE -ne 0) { throw "rustup could not install Rust $msrv; the lines above tell why." }
        $env:RUSTUP_TOOLCHAIN = $msrv
    }
}

if (Install-OpenCV) { $Features = @() } else { $Features = @('--no-default-features', '--features', 'gui,native,share') }
$Target = if ($env:CARGO_TARGET_DIR) { $env:CARGO_TARGET_DIR } else { Join-Path $Top 'target' }
