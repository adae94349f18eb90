//! Passwords of network cameras: kept in the system's keyring, and for this run in memory.
//!
//! A keyring may hang, or ask its owner for a password of its own before it answers. So each call to it is made on a thread
//! of its own and waited for with a deadline; a thread whose call does not come back is left behind. What a keyring says
//! when it fails is put into sentences of ours: its own might quote what it was given.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::bounded;

use crate::address::{Address, PASSWORD_VARIABLE, Password};
use crate::lock::{Lock, Locked};
use crate::source::SourceSpec;

/// How long a command waits for the keyring.
pub const DEADLINE: Duration = Duration::from_secs(2);
/// The name under which all entries stand.
const SERVICE: &str = "camclinic";

/// Why the keyring did not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyringError {
    /// There is none, or nobody is logged in at a desktop that has one.
    None,
    Locked,
    /// It has not answered in time. It may be asking its owner.
    Slow,
    /// It refuses, and does not say why.
    Refused,
}

impl fmt::Display for KeyringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "there is no keyring on this system",
            Self::Locked => "the system's keyring is locked",
            Self::Slow => "the system's keyring does not answer",
            Self::Refused => "the system's keyring refused",
        })
    }
}

/// A place for secrets that outlives the program. Calls may block for ever.
pub trait Keyring: Send + Sync {
    /// `None` where there is no entry of that name.
    fn get(&self, name: &str) -> Result<Option<String>, KeyringError>;
    fn set(&self, name: &str, secret: &str) -> Result<(), KeyringError>;
    /// An entry that is not there is no error.
    fn forget(&self, name: &str) -> Result<(), KeyringError>;
}

/// Secret Service on Linux, Keychain on macOS, Credential Manager on Windows.
struct SystemKeyring;

impl Keyring for SystemKeyring {
    fn get(&self, name: &str) -> Result<Option<String>, KeyringError> {
        match keyring::Entry::new(SERVICE, name).and_then(|entry| entry.get_password()) {
            Ok(secret) => Ok(Some(secret)),
            Err(keyring::Error::NoEntry) => Ok(None),
            Err(error) => Err(trouble(&error)),
        }
    }

    fn set(&self, name: &str, secret: &str) -> Result<(), KeyringError> {
        keyring::Entry::new(SERVICE, name).and_then(|entry| entry.set_password(secret)).map_err(|error| trouble(&error))
    }

    fn forget(&self, name: &str) -> Result<(), KeyringError> {
        match keyring::Entry::new(SERVICE, name).and_then(|entry| entry.delete_credential()) {
            Ok(()) | Err(keyring::Error::NoEntry) => Ok(()),
            Err(error) => Err(trouble(&error)),
        }
    }
}

fn trouble(error: &keyring::Error) -> KeyringError {
    match error {
        // Debian without a desktop: no session bus, or no secret service on it.
        keyring::Error::NoDefaultStore | keyring::Error::PlatformFailure(_) => KeyringError::None,
        keyring::Error::NoStorageAccess(_) => KeyringError::Locked,
        _ => KeyringError::Refused,
    }
}

/// The passwords that are known. Clones share them.
///
/// An entry of the keyring is named by the address without its passwords and holds the whole address, because there are
/// cameras that want a password in the path or the query.
#[derive(Clone)]
pub struct Passwords {
    keyring: Arc<dyn Keyring>,
    /// The same for this run.
    memory: Arc<Lock<BTreeMap<String, Address>>>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self::new(SystemKeyring)
    }
}

impl Passwords {
    #[must_use]
    pub fn new(keyring: impl Keyring + 'static) -> Self {
        Self { keyring: Arc::new(keyring), memory: Arc::default() }
    }

    /// The address with the password that is kept for it; `None` where none is kept. Waits for the keyring, `deadline` at most.
    ///
    /// # Errors
    /// The keyring cannot be asked.
    pub fn find(&self, address: &Address, deadline: Duration) -> Result<Option<Address>, KeyringError> {
        let name = address.without_password();
        if let Some(known) = self.remembered().get(&name) {
            return Ok(Some(known.clone()));
        }
        let kept = self.ask(deadline, {
            let name = name.clone();
            move |keyring| keyring.get(&name)
        })?;
        // Anybody can write into a keyring: what does not belong to this address is nothing.
        let known = kept.and_then(|text| Address::parse(&text).ok()).filter(|known| known.without_password() == name);
        if let Some(known) = &known {
            self.remembered().insert(name, known.clone());
        }
        Ok(known)
    }

    /// Keeps the address's password for this run, and in the keyring if that is wished; takes it out of there if not. Waits
    /// for the keyring, `deadline` at most.
    ///
    /// # Errors
    /// The keyring did not do it; for this run the password is kept all the same.
    pub fn keep(&self, address: &Address, in_keyring: bool, deadline: Duration) -> Result<(), KeyringError> {
        let name = address.without_password();
        self.remembered().insert(name.clone(), address.clone());
        let secret = Password::new(address.with_login());
        self.ask(
            deadline,
            move |keyring| {
                if in_keyring { keyring.set(&name, secret.reveal()) } else { keyring.forget(&name) }
            },
        )
    }

    /// Forgets the address's password, here and in the keyring. Waits for the keyring, `deadline` at most.
    ///
    /// # Errors
    /// The keyring did not do it.
    pub fn forget(&self, address: &Address, deadline: Duration) -> Result<(), KeyringError> {
        let name = address.without_password();
        self.remembered().remove(&name);
        self.ask(deadline, move |keyring| keyring.forget(&name))
    }

    /// A source with the password that is kept for it, if it wants one and has none; else as it is.
    #[must_use]
    pub fn complete(&self, spec: SourceSpec, deadline: Duration) -> SourceSpec {
        match spec {
            SourceSpec::Url(address) if address.lacks_password() => {
                // Without a keyring the camera says itself that it wants a password.
                let known = self.find(&address, deadline).ok().flatten();
                SourceSpec::Url(known.unwrap_or(address))
            }
            SourceSpec::Simulated(_)
            | SourceSpec::Index(_)
            | SourceSpec::Device(_)
            | SourceSpec::File(_)
            | SourceSpec::Url(_) => spec,
        }
    }

    fn remembered(&self) -> Locked<'_, BTreeMap<String, Address>> {
        self.memory.lock()
    }

    fn ask<T: Send + 'static>(
        &self,
        deadline: Duration,
        question: impl FnOnce(&dyn Keyring) -> Result<T, KeyringError> + Send + 'static,
    ) -> Result<T, KeyringError> {
        let (answer_tx, answer) = bounded(1);
        let keyring = Arc::clone(&self.keyring);
        let call = move || {
            let _ = answer_tx.send(question(keyring.as_ref()));
        };
        thread::Builder::new().name("keyring".to_owned()).spawn(call).map_err(|_| KeyringError::Refused)?;
        // Disconnected where the keyring's library panicked.
        answer.recv_timeout(deadline).unwrap_or_else(|error| match error {
            crossbeam_channel::RecvTimeoutError::Timeout => Err(KeyringError::Slow),
            crossbeam_channel::RecvTimeoutError::Disconnected => Err(KeyringError::Refused),
        })
    }
}

/// A source with its password, if it wants one and has none: that of the environment variable [`PASSWORD_VARIABLE`], else
/// the one that the system's keyring keeps for it. Waits for the keyring, `deadline` at most.
#[must_use]
pub fn with_password(spec: SourceSpec, deadline: Duration) -> SourceSpec {
    match (spec, std::env::var(PASSWORD_VARIABLE)) {
        (SourceSpec::Url(address), Ok(password)) if address.password.is_none() && !address.user.is_empty() => {
            SourceSpec::Url(Address { password: Some(Password::new(password)), ..address })
        }
        (spec, _) => Passwords::default().complete(spec, deadline),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// A keyring in memory that can be told to fail.
    #[derive(Clone, Default)]
    struct FakeKeyring {
        entries: Arc<Lock<BTreeMap<String, String>>>,
        trouble: Option<KeyringError>,
        hangs: bool,
    }

    impl FakeKeyring {
        fn answer<T>(&self, answer: impl FnOnce(&mut BTreeMap<String, String>) -> T) -> Result<T, KeyringError> {
            if self.hangs {
                // Until the end of the test.
                thread::park();
            }
            match self.trouble {
                Some(trouble) => Err(trouble),
                None => Ok(answer(&mut self.entries.lock())),
            }
        }
    }

    impl Keyring for FakeKeyring {
        fn get(&self, name: &str) -> Result<Option<String>, KeyringError> {
            self.answer(|entries| entries.get(name).cloned())
        }

        fn set(&self, name: &str, secret: &str) -> Result<(), KeyringError> {
            self.answer(|entries| entries.insert(name.to_owned(), secret.to_owned())).map(drop)
        }

        fn forget(&self, name: &str) -> Result<(), KeyringError> {
            self.answer(|entries| entries.remove(name)).map(drop)
        }
    }

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    /// Keeps the password of the first address in one run, and looks for the second in the next.
    #[track_caller]
    fn check(kept: &str, wanted: &str, found: Option<&str>) {
        let shelf = FakeKeyring::default();
        Passwords::new(shelf.clone()).keep(&address(kept), true, DEADLINE).unwrap();
        let got = Passwords::new(shelf).find(&address(wanted), DEADLINE).unwrap();
        assert_eq!(got.map(|got| got.with_login()).as_deref(), found, "{wanted}");
    }

    #[test]
    fn a_password_is_found_again_for_its_own_address_only() {
        let kept = "rtsp://admin:p@ss#1@cam/1";
        check(kept, "rtsp://admin@cam/1", Some("rtsp://admin:p%40ss%231@cam/1"));
        check(kept, "rtsp://admin@cam:554/1", Some("rtsp://admin:p%40ss%231@cam/1"));
        check(kept, "rtsp://admin@cam/2", None);
        check(kept, "rtsp://root@cam/1", None);
        check(kept, "rtsp://admin@other/1", None);
        check(kept, "http://admin@cam/1", None);
        check("http://cam/v?user=a&pwd=x9", "http://cam/v?user=a&pwd=", Some("http://cam/v?user=a&pwd=x9"));
    }

    #[test]
    fn an_entry_of_somebody_else_is_no_password() {
        let shelf = FakeKeyring::default();
        let passwords = Passwords::new(shelf.clone());
        for entry in ["", "geheim", "rtsp://admin:geheim@other/1", "rtsp://cam/1\n"] {
            shelf.entries.lock().insert("rtsp://admin@cam/1".to_owned(), entry.to_owned());
            assert_eq!(passwords.find(&address("rtsp://admin@cam/1"), DEADLINE), Ok(None), "{entry}");
        }
    }

    #[test]
    fn without_a_keyring_it_is_kept_for_this_run() {
        for trouble in [KeyringError::None, KeyringError::Locked, KeyringError::Refused] {
            let passwords = Passwords::new(FakeKeyring { trouble: Some(trouble), ..FakeKeyring::default() });
            assert_eq!(passwords.find(&address("rtsp://admin@cam/1"), DEADLINE), Err(trouble));
            let whole = address("rtsp://admin:geheim@cam/1");
            assert_eq!(passwords.keep(&whole, true, DEADLINE), Err(trouble));
            assert_eq!(passwords.find(&address("rtsp://admin@cam/1"), DEADLINE), Ok(Some(whole.clone())));
            assert_eq!(passwords.forget(&whole, DEADLINE), Err(trouble));
            assert_eq!(passwords.find(&address("rtsp://admin@cam/1"), DEADLINE), Err(trouble));
        }
    }

    #[test]
    fn a_keyring_that_hangs_is_not_waited_for() {
        let passwords = Passwords::new(FakeKeyring { hangs: true, ..FakeKeyring::default() });
        let asked_at = Instant::now();
        let deadline = Duration::from_millis(50);
        assert_eq!(passwords.find(&address("rtsp://admin@cam/1"), deadline), Err(KeyringError::Slow));
        assert_eq!(passwords.keep(&address("rtsp://admin:x@cam/1"), true, deadline), Err(KeyringError::Slow));
        assert!(asked_at.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn what_shall_not_be_kept_leaves_the_keyring() {
        let shelf = FakeKeyring::default();
        let passwords = Passwords::new(shelf.clone());
        let whole = address("rtsp://admin:geheim@cam/1");
        passwords.keep(&whole, true, DEADLINE).unwrap();
        passwords.keep(&whole, false, DEADLINE).unwrap();
        assert!(shelf.entries.lock().is_empty());
        assert_eq!(passwords.find(&address("rtsp://admin@cam/1"), DEADLINE), Ok(Some(whole.clone())));
        passwords.keep(&whole, true, DEADLINE).unwrap();
        passwords.forget(&whole, DEADLINE).unwrap();
        assert!(shelf.entries.lock().is_empty());
        assert_eq!(passwords.find(&address("rtsp://admin@cam/1"), DEADLINE), Ok(None));
    }

    #[test]
    fn only_a_source_that_lacks_a_password_is_completed() {
        #[track_caller]
        fn check(source: &str, expected: &str) {
            let passwords = Passwords::new(FakeKeyring::default());
            passwords.keep(&address("rtsp://admin:geheim@cam/1"), true, DEADLINE).unwrap();
            let spec = passwords.complete(SourceSpec::parse(source).unwrap(), DEADLINE);
            let got = match &spec {
                SourceSpec::Url(address) => address.with_login(),
                other => other.to_string(),
            };
            assert_eq!(got, expected);
        }
        check("rtsp://admin@cam/1", "rtsp://admin:geheim@cam/1");
        check("rtsp://admin:other@cam/1", "rtsp://admin:other@cam/1");
        check("rtsp://admin:@cam/1", "rtsp://admin:@cam/1");
        check("rtsp://cam/1", "rtsp://cam/1");
        check("rtsp://admin@cam/2", "rtsp://admin@cam/2");
        check("/dev/video0", "/dev/video0");
    }
}
