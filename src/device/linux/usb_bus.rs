//! Which cameras have a share of one USB bus reserved, from the files of `/sys`.

use std::fs;
use std::path::Path;

use super::sysfs::{number_of, read};

/// Cameras that have a USB bus' time reserved beside the one of `node`, by their numbers.
pub fn neighbours(sysfs: &Path, node: &Path) -> Vec<u32> {
    let bus = |node: &Path| {
        let device = fs::canonicalize(node.join("device")).ok()?;
        let is_bus = |folder: &&Path| {
            let name = folder.file_name().and_then(|name| name.to_str());
            name.and_then(|name| name.strip_prefix("usb")).is_some_and(|number| number.parse::<u32>().is_ok())
        };
        Some((device.ancestors().find(is_bus)?.to_owned(), device.parent()?.to_owned()))
    };
    let Some((own_bus, own)) = bus(node) else { return Vec::new() };
    let mut numbers = fs::read_dir(sysfs)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| {
            let is_main = read(&entry.path().join("index")).is_none_or(|index| index == "0");
            is_main && bus(&entry.path()).is_some_and(|(bus, usb)| bus == own_bus && usb != own && has_stream(&usb))
        })
        .filter_map(|entry| number_of(&entry.path()))
        .collect::<Vec<_>>();
    numbers.sort_unstable();
    numbers
}

/// A camera that streams has one of its interfaces in a setting other than 0, in which it takes none of the bus' time.
fn has_stream(usb: &Path) -> bool {
    fs::read_dir(usb).into_iter().flatten().flatten().any(|entry| {
        let file = |file| read(&entry.path().join(file));
        file("bInterfaceClass").as_deref() == Some("0e")
            && file("bAlternateSetting").is_some_and(|setting| setting.trim() != "0")
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn cameras_that_stream_on_the_same_bus_are_found() {
        let root = tempfile::tempdir().unwrap();
        let class = root.path().join("class");
        fs::create_dir_all(&class).unwrap();
        let camera = |number: u32, usb: &str, setting: &str| {
            let interface = root.path().join(format!("pci0/{usb}:1.0"));
            let node = interface.join(format!("video4linux/video{number}"));
            fs::create_dir_all(&node).unwrap();
            symlink(&interface, node.join("device")).unwrap();
            symlink(&node, class.join(format!("video{number}"))).unwrap();
            let pictures = root.path().join(format!("pci0/{usb}:1.1"));
            fs::create_dir_all(&pictures).unwrap();
            fs::write(pictures.join("bInterfaceClass"), "0e\n").unwrap();
            fs::write(pictures.join("bAlternateSetting"), format!("{setting}\n")).unwrap();
        };
        camera(0, "usb1/1-1/1-1", "11");
        camera(2, "usb1/1-2/1-2.4/1-2.4", " 6");
        camera(4, "usb1/1-3/1-3", " 0");
        camera(6, "usb2/2-1/2-1", "7");
        assert_eq!(neighbours(&class, &class.join("video4")), [0, 2]);
        assert_eq!(neighbours(&class, &class.join("video0")), [2]);
        assert_eq!(neighbours(&class, &class.join("video6")), [0; 0]);
        assert_eq!(neighbours(&class, &class.join("video9")), [0; 0]);
    }
}
