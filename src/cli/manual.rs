//! Completions for shells and pages of the manual, made of the definitions of the commands.

use std::fs;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use super::Cli;

/// A script for the shell.
pub(super) fn completion(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut visible(), "camclinic", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Writes `camclinic.1` and a page for each command, `camclinic-list.1` and so on.
pub(super) fn write(folder: &Path) -> Result<(), String> {
    let cannot = |path: &Path, error| format!("Cannot write {}: {error}", path.display());
    fs::create_dir_all(folder).map_err(|error| cannot(folder, error))?;
    for (name, page) in pages() {
        let path = folder.join(name);
        fs::write(&path, page).map_err(|error| cannot(&path, error))?;
    }
    Ok(())
}

/// Each page with the name of its file, the main one first.
fn pages() -> Vec<(String, String)> {
    // Built, so that each command has the options that all of them understand, and its full name.
    let mut command = visible();
    command.build();
    let own = page("camclinic", command.clone());
    let others =
        command.get_subcommands().map(|sub| page(sub.get_display_name().unwrap_or(sub.get_name()), sub.clone()));
    [own].into_iter().chain(others).collect()
}

fn page(name: &str, command: Command) -> (String, String) {
    let mut page = Vec::new();
    // Into memory, which does not fail.
    let _ = Man::new(command).title(name.to_uppercase()).render(&mut page);
    (format!("{name}.1"), String::from_utf8_lossy(&page).into_owned())
}

/// The definitions without what is not for people.
fn visible() -> Command {
    let all = Cli::command();
    let shown: Vec<_> = all.get_subcommands().filter(|sub| !sub.is_hide_set()).cloned().collect();
    let mut command =
        Command::default().name("camclinic").version(env!("CARGO_PKG_VERSION")).disable_help_subcommand(true);
    if let Some(about) = all.get_about() {
        command = command.about(about.clone());
    }
    if let Some(about) = all.get_long_about() {
        command = command.long_about(about.clone());
    }
    if let Some(after) = all.get_after_help() {
        command = command.after_help(after.clone());
    }
    command.args(all.get_arguments().cloned()).subcommands(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_for_each_command_that_people_use() {
        let pages = pages();
        let names: Vec<_> = pages.iter().map(|(name, _)| name.as_str()).collect();
        for name in ["camclinic.1", "camclinic-list.1", "camclinic-test.1", "camclinic-help.1"] {
            assert!(names.contains(&name), "{names:?}");
        }
        assert!(!names.iter().any(|name| name.contains("ask") || name.contains("complete")), "{names:?}");
        let page = &pages.iter().find(|(name, _)| name == "camclinic-test.1").unwrap().1;
        for text in [".TH CAMCLINIC-TEST 1", r"\-\-num\-tests", r"\-\-isolation", r"\-\-format"] {
            assert!(page.contains(text), "{text} is not in {page}");
        }
    }

    #[test]
    fn each_shell_completes_commands_and_options() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell] {
            let script = completion(shell);
            for text in ["recover", "num-tests", "nagios"] {
                assert!(script.contains(text), "{shell}: {text} is missing");
            }
            assert!(!script.contains("ask-device"), "{shell}");
        }
    }
}
