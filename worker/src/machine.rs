//! Which machine this is: workers with the same answer read each other's runs in place.

use std::fs;

/// `<boot id>/<host name>`.
///
/// The boot id names this life of this kernel. The host name tells containers apart that share a kernel but not a file system:
/// they have names of their own unless somebody gave them the same. A machine id would not do, for copied images share it.
/// Where there is no boot id, the host name must serve.
pub(crate) fn identity() -> String {
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let uname = rustix::system::uname();
    format!("{}/{}", boot_id.trim(), uname.nodename().to_string_lossy())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_machine_stays_the_same() {
        assert_eq!(super::identity(), super::identity());
        assert!(super::identity().len() > 1);
    }
}
