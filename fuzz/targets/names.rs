//! Addresses, domain names, folder names and modified UTF-7: what parses has one canonical form.
#![no_main]

use facteur::mail::imap::wire::utf7;
use facteur::model::{DomainName, EmailAddress, FolderName};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    if let Some(name) = utf7::decode(octets) {
        // Clients send forms that we would not: decoding our own form gives the same name again.
        assert_eq!(utf7::decode(utf7::encode(&name).as_bytes()).as_deref(), Some(name.as_str()));
    }
    let Ok(text) = std::str::from_utf8(octets) else { return };
    if let Ok(domain) = text.parse::<DomainName>() {
        assert_eq!(domain.to_string().parse::<DomainName>().as_ref(), Ok(&domain));
    }
    if let Ok(address) = text.parse::<EmailAddress>() {
        assert_eq!(address.to_string().parse::<EmailAddress>().as_ref(), Ok(&address));
    }
    if let Ok(folder) = text.parse::<FolderName>() {
        assert_eq!(folder.as_str().parse::<FolderName>().as_ref(), Ok(&folder));
    }
});
