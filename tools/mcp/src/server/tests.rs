use super::*;

fn order(text: &str) -> Result<Order, EndError> {
    Order::read(&text.split(' ').map(OsString::from).collect::<Vec<_>>())
}

const WHOLE: &str = "notes --folder /srv/n --program /opt/n --variable A=b=c --memory-bytes 1 --processor-s 2 --file-bytes 3 --descriptors 4 --processes 5 \
                     -- /bin/a --folder x --";

#[test]
fn an_order_is_read_and_what_follows_is_the_commands_own() {
    let order = order(WHOLE).unwrap();
    assert_eq!(order.command, ["/bin/a", "--folder", "x", "--"]);
    assert_eq!((order.folder.as_path(), order.programs.as_slice()), ("/srv/n".as_ref(), ["/opt/n".into()].as_slice()));
    assert_eq!((order.memory_bytes, order.usage, order.descriptors), (1, UsageLimits { processor_s: 2, file_bytes: 3 }, 4));
    let environment = order.environment();
    let names: Vec<_> = environment.iter().map(|(name, value)| format!("{}={}", name.display(), value.display())).collect();
    assert_eq!(names, ["A=b=c", "HOME=/srv/n", "LANG=C.UTF-8", "PATH=/usr/local/bin:/usr/bin:/bin", "TMPDIR=/srv/n"]);
}

#[test]
fn an_order_that_lacks_something_is_none() {
    for (gone, with) in [
        ("--folder /srv/n ", ""),
        ("--memory-bytes 1 ", ""),
        ("--descriptors 4 ", "--descriptors -4 "),
        ("-- /bin/a --folder x --", "--"),
        ("-- /bin/a --folder x --", "--folder"),
        ("A=b=c", "A"),
        ("--program", "--network"),
    ] {
        assert!(matches!(order(&WHOLE.replacen(gone, with, 1)), Err(EndError::Arguments)), "{gone}");
    }
}

#[test]
fn the_folder_is_the_only_place_that_is_written() {
    let wanted = order(WHOLE).unwrap().confinement();
    let files = wanted.files.unwrap();
    assert_eq!(files.write, [PathBuf::from("/dev/null"), "/srv/n".into()]);
    assert!(files.execute.iter().all(|path| !path.starts_with("/srv")) && files.read.iter().all(|path| !path.starts_with("/home")));
    assert_eq!(wanted.network, Some(Network::NoSockets));
}
