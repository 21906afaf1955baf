use super::*;

fn read(text: &str) -> Result<Server, toml::de::Error> {
    toml::from_str(text)
}

fn stdio() -> Server {
    let what = What::Stdio(Stdio {
        command: vec!["/usr/bin/node".into(), "server.js".into()],
        folder: "/srv/notes".into(),
        variables: BTreeMap::from([("MODE".into(), "quiet".into())]),
        programs: vec!["/opt/notes".into()],
    });
    Server { name: "notes".into(), what, tools: Vec::new(), says: BTreeMap::new(), limits: Limits::default() }
}

fn with(change: impl FnOnce(&mut Stdio)) -> Server {
    let mut server = stdio();
    if let What::Stdio(stdio) = &mut server.what {
        change(stdio);
    }
    server
}

#[test]
fn a_configuration_is_read_as_it_is_described() {
    let text = "name = \"notes\"\n[what.stdio]\ncommand = [\"/usr/bin/node\", \"server.js\"]\nfolder = \"/srv/notes\"\n\
                programs = [\"/opt/notes\"]\nvariables = { MODE = \"quiet\" }\n";
    assert_eq!(read(text).unwrap(), stdio());
    let http =
        read("name = \"trains\"\nwhat = { http = { url = \"https://mcp.example.com/trains\" } }\nlimits = { start = \"5s\" }").unwrap();
    assert_eq!((http.check(), http.limits.start, http.arguments()), (Ok(()), Duration::from_secs(5), None));
    assert!(read(&text.replace("folder", "home")).is_err(), "no other fields");
    assert!(read(&text.replace("[what.stdio]", "port = 1\n[what.stdio]")).is_err());
}

#[test]
fn what_cannot_be_meant_is_refused() {
    assert_eq!(stdio().check(), Ok(()));
    for name in ["", "Notes", "a/b", "a b", "a-name-that-is-longer-than-twenty"] {
        assert_eq!(Server { name: name.into(), ..stdio() }.check(), Err(ConfigError::Name), "{name}");
    }
    for command in [vec![], vec!["node".to_owned()], vec!["/bin/a".into(), "b\0".into()], vec!["/a".into(); 300]] {
        assert_eq!(with(|stdio| stdio.command = command).check(), Err(ConfigError::Command));
    }
    for folder in ["", "/", "srv", "/srv/../etc", "/srv/./../x"] {
        assert_eq!(with(|stdio| stdio.folder = folder.into()).check(), Err(ConfigError::Folder), "{folder}");
        assert_eq!(with(|stdio| stdio.programs = vec![folder.into()]).check(), Err(ConfigError::Folder), "{folder}");
    }
    for name in ["", "HOME", "1A", "A B", "A=B"] {
        assert_eq!(with(|stdio| drop(stdio.variables.insert(name.into(), "x".into()))).check(), Err(ConfigError::Variable), "{name}");
    }
    for url in ["ftp://example.com/", "https://a:b@example.com/", "https://example.com/#a", "data:x"] {
        let what = What::Http(Http { url: url.parse().unwrap(), key: None });
        assert_eq!(Server { what, ..stdio() }.check(), Err(ConfigError::Address), "{url}");
    }
    let limits = Limits { unasked: 0, ..Limits::default() };
    assert_eq!(Server { limits, ..stdio() }.check(), Err(ConfigError::Limit));
    assert_eq!(check(&[stdio(), stdio()]), Err((1, ConfigError::Twice)));
}

#[test]
fn the_arguments_are_the_same_for_the_same_configuration() {
    let arguments: Vec<_> = stdio().arguments().unwrap().into_iter().map(|argument| argument.into_string().unwrap()).collect();
    let expected = "mcp-server notes --folder /srv/notes --program /opt/notes --variable MODE=quiet --memory-bytes 1073741824 \
                    --processor-s 3600 --file-bytes 268435456 --descriptors 256 --processes 128 -- /usr/bin/node server.js";
    assert_eq!(arguments.join(" "), expected);
}
