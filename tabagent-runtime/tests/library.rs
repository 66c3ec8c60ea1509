//! Installing ONNX Runtime over a network and disk that fail: every archive here holds the real library and comes from a
//! real HTTP server on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, its helpers included"
)]

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use support::server::{Behaviour, Server};
use support::{artifact, options, real_library, sha256, tar_gz, zip};
use tabagent_runtime::BackendError;
use tabagent_runtime::library::{
    self, CandidateState, Flavour, Library, LibraryOptions, Origin, Release, Way,
};

/// The archive and a server for it.
fn served(behaviours: &[Behaviour]) -> (Server, Vec<u8>, String) {
    let archive = tar_gz(&fs::read(real_library()).unwrap());
    let pin = sha256(&archive);
    (Server::start(archive.clone(), behaviours), archive, pin)
}

fn assert_whole(library: &Library) {
    assert_eq!(sha256(&fs::read(&library.path).unwrap()), sha256(&fs::read(real_library()).unwrap()));
}

fn reason(error: &BackendError) -> String {
    match error {
        BackendError::ConfigurationError { setting, reason } => {
            assert_eq!(setting, "ORT_DYLIB_PATH");
            reason.clone()
        }
        other => panic!("expected a configuration error, got {other:?}"),
    }
}

/// Names in the cache that are not the lock.
fn left_in(cache: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(cache.join("onnxruntime"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != ".lock")
        .collect();
    names.sort();
    names
}

#[test]
fn a_fresh_install_is_adopted_by_the_next_start_without_the_network() {
    let cache = tempfile::tempdir().unwrap();
    let (server, _, pin) = served(&[Behaviour::Serve]);
    let options = options(cache.path(), &server.url(), vec![artifact(pin)]);
    let first = library::locate(&options).unwrap();
    assert_eq!(first.origin, Origin::Installed(Way::Archive));
    assert_whole(&first);
    let second = library::locate(&options).unwrap();
    assert_eq!((second.origin, &second.path), (Origin::Cache, &first.path));
    assert_eq!(server.requests(), [None]);
    assert_eq!(left_in(cache.path()).len(), 1, "neither staging nor download is left");
}

#[test]
fn a_zip_serves_as_well() {
    let cache = tempfile::tempdir().unwrap();
    let archive = zip(&fs::read(real_library()).unwrap());
    let pin = sha256(&archive);
    let server = Server::start(archive, &[Behaviour::Serve]);
    assert_whole(&library::locate(&options(cache.path(), &server.url(), vec![artifact(pin)])).unwrap());
}

#[test]
fn a_cut_download_is_carried_on_where_it_was_cut() {
    let cache = tempfile::tempdir().unwrap();
    let (server, _, pin) = served(&[Behaviour::Cut(5_000_000), Behaviour::Cut(7_000_000), Behaviour::Serve]);
    let library = library::locate(&options(cache.path(), &server.url(), vec![artifact(pin)])).unwrap();
    assert_whole(&library);
    assert_eq!(server.requests(), [None, Some(5_000_000), Some(12_000_000)]);
}

#[test]
fn what_a_killed_process_downloaded_is_carried_on() {
    let cache = tempfile::tempdir().unwrap();
    let (server, archive, pin) = served(&[Behaviour::Serve]);
    let part = cache.path().join("onnxruntime").join(format!("archive-{}.part", &pin[..12]));
    fs::create_dir_all(part.parent().unwrap()).unwrap();
    fs::write(&part, &archive[..archive.len() / 2]).unwrap();
    let library = library::locate(&options(cache.path(), &server.url(), vec![artifact(pin)])).unwrap();
    assert_whole(&library);
    assert_eq!(server.requests(), [Some(archive.len() as u64 / 2)]);
    assert!(!part.exists());
}

#[test]
fn a_damaged_partial_download_is_thrown_away_and_fetched_afresh() {
    let cache = tempfile::tempdir().unwrap();
    let (server, archive, pin) = served(&[Behaviour::Serve]);
    let part = cache.path().join("onnxruntime").join(format!("archive-{}.part", &pin[..12]));
    fs::create_dir_all(part.parent().unwrap()).unwrap();
    fs::write(&part, vec![7; archive.len() + 10]).unwrap();
    assert_whole(&library::locate(&options(cache.path(), &server.url(), vec![artifact(pin)])).unwrap());
    assert_eq!(server.requests(), [Some(archive.len() as u64 + 10), None]);
}

#[test]
fn a_server_without_ranges_starts_over() {
    let cache = tempfile::tempdir().unwrap();
    let (server, _, pin) = served(&[Behaviour::Cut(1_000_000), Behaviour::NoRanges]);
    assert_whole(&library::locate(&options(cache.path(), &server.url(), vec![artifact(pin)])).unwrap());
    assert_eq!(server.requests(), [None, Some(1_000_000)]);
}

#[test]
fn a_wrong_checksum_is_refused_and_leaves_nothing() {
    let cache = tempfile::tempdir().unwrap();
    let (server, _, pin) = served(&[Behaviour::Serve]);
    let wrong = sha256(b"something else");
    let error =
        library::locate(&options(cache.path(), &server.url(), vec![artifact(wrong.clone())])).unwrap_err();
    let reason = reason(&error);
    assert!(
        reason.contains("wrong checksum") && reason.contains(&pin) && reason.contains(&wrong),
        "{reason}"
    );
    assert!(left_in(cache.path()).is_empty());
}

#[test]
fn a_stalled_download_is_carried_on_where_it_stalled() {
    let cache = tempfile::tempdir().unwrap();
    let (server, _, pin) =
        served(&[Behaviour::Stall(5_000_000), Behaviour::Stall(7_000_000), Behaviour::Serve]);
    let mut options = options(cache.path(), &server.url(), vec![artifact(pin)]);
    options.limits.stall = Duration::from_millis(300);
    assert_whole(&library::locate(&options).unwrap());
    assert_eq!(server.requests(), [None, Some(5_000_000), Some(12_000_000)]);
}

#[test]
fn a_stalled_download_is_given_up_and_the_next_way_is_taken() {
    let cache = tempfile::tempdir().unwrap();
    let archive = tar_gz(&fs::read(real_library()).unwrap());
    let pin = sha256(&archive);
    let other = zip(&fs::read(real_library()).unwrap());
    let server = Server::start(archive, &[Behaviour::Stall(100_000), Behaviour::Stall(0)]);
    let mut only = options(cache.path(), &server.url(), vec![artifact(pin)]);
    only.limits.stall = Duration::from_millis(300);
    let text = reason(&library::locate(&only).unwrap_err());
    assert!(text.contains("stalled") && text.contains("100000 bytes"), "{text}");

    // The same stall with a second artefact behind it, which the same server delivers.
    let behaviours = [Behaviour::Stall(100_000), Behaviour::Stall(0), Behaviour::Serve];
    let second = Server::start(other.clone(), &behaviours);
    let mut both =
        options(cache.path(), &second.url(), vec![artifact(sha256(b"not served")), artifact(sha256(&other))]);
    both.limits.stall = Duration::from_millis(300);
    assert_whole(&library::locate(&both).unwrap());
    assert_eq!(second.requests(), [None, Some(100_000), None]);
}

#[test]
fn statuses_redirects_and_sizes_are_told_apart() {
    let (moved, _, pin) = served(&[Behaviour::Redirect]);
    let cache = tempfile::tempdir().unwrap();
    assert_whole(
        &library::locate(&options(cache.path(), &moved.url(), vec![artifact(pin.clone())])).unwrap(),
    );

    let failing = |server: &Server, change: &dyn Fn(&mut LibraryOptions)| {
        let cache = tempfile::tempdir().unwrap();
        let mut options = options(cache.path(), &server.url(), vec![artifact(pin.clone())]);
        change(&mut options);
        reason(&library::locate(&options).unwrap_err())
    };
    let (absent, ..) = served(&[Behaviour::Status(404)]);
    assert!(failing(&absent, &|_| {}).contains("HTTP status 404"));
    let (endless, ..) = served(&[Behaviour::Loop]);
    assert!(failing(&endless, &|_| {}).contains("redirect"));
    let (large, ..) = served(&[Behaviour::Serve]);
    assert!(
        failing(&large, &|options| options.limits.max_bytes = 1000).contains("larger than the limit of 1000")
    );
}

#[test]
fn a_changed_library_in_the_cache_is_found_out_and_replaced() {
    let cache = tempfile::tempdir().unwrap();
    let (server, _, pin) = served(&[Behaviour::Serve]);
    let options = options(cache.path(), &server.url(), vec![artifact(pin)]);
    let library = library::locate(&options).unwrap();
    let whole = fs::read(&library.path).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    let manifest = library.path.with_file_name("manifest.json");
    let damages: [(&str, &dyn Fn()); 4] = [
        ("cut off", &|| fs::write(&library.path, &whole[..whole.len() / 3]).unwrap()),
        ("changed", &|| fs::write(&library.path, &flipped).unwrap()),
        ("manifest", &|| fs::write(&manifest, "{").unwrap()),
        ("cannot be read", &|| fs::remove_file(&library.path).unwrap()),
    ];
    for (word, damage) in damages {
        damage();
        let without = LibraryOptions { install: false, ..options.clone() };
        let text = reason(&library::locate(&without).unwrap_err());
        assert!(text.contains(word), "{word}: {text}");
        let status = library::status(&options);
        assert!(matches!(status.candidates[0].state, CandidateState::Refused { .. }), "{status:?}");
        let again = library::locate(&options).unwrap();
        assert_eq!(again.origin, Origin::Installed(Way::Archive));
        assert_whole(&again);
    }
}

#[test]
fn a_removed_flavour_is_gone_and_can_be_installed_again() {
    let cache = tempfile::tempdir().unwrap();
    let (server, _, pin) = served(&[Behaviour::Serve]);
    let options = options(cache.path(), &server.url(), vec![artifact(pin)]);
    library::install(Flavour::Cpu, &options).unwrap();
    assert!(library::remove(Flavour::Cpu, &options).unwrap());
    assert!(!library::remove(Flavour::Cpu, &options).unwrap());
    assert_eq!(library::status(&options).candidates[0].state, CandidateState::NotInstalled);
    assert_whole(&library::install(Flavour::Cpu, &options).unwrap());
    let error = library::install(Flavour::Cuda, &options).unwrap_err();
    assert!(matches!(error, BackendError::NotImplemented { .. }), "{error}");
}

/// Starts this test program as a process of its own that installs into `cache` and prints the origin.
fn installer(cache: &Path, url: &str, pin: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "child_that_installs", "--ignored", "--nocapture"])
        .env("TEST_CACHE", cache)
        .env("TEST_URL", url)
        .env("TEST_PIN", pin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[test]
#[ignore = "the other process of tests that need several"]
fn child_that_installs() {
    let variable = |name: &str| std::env::var(name);
    let (Ok(cache), Ok(url)) = (variable("TEST_CACHE"), variable("TEST_URL")) else { return };
    let mut options = match variable("TEST_PIN") {
        Ok(pin) => options(Path::new(&cache), &url, vec![artifact(pin)]),
        Err(_) => options(Path::new(&cache), &url, Release::pinned(Flavour::Cpu).artifacts),
    };
    options.lock_wait = Duration::from_secs(120);
    match library::locate(&options) {
        Ok(library) => println!("\noutcome: {}", library.origin),
        Err(error) => println!("\nfailure: {error}\nend"),
    }
}

#[test]
fn ten_processes_at_once_make_one_install() {
    let cache = tempfile::tempdir().unwrap();
    let (server, _, pin) = served(&[Behaviour::Slow(Duration::from_millis(5))]);
    let children: Vec<_> =
        (0..10).map(|_| installer(cache.path(), &server.url(), &pin).spawn().unwrap()).collect();
    let mut installed = 0;
    for child in children {
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("outcome: "), "{text}{}", String::from_utf8_lossy(&output.stderr));
        installed += usize::from(text.contains("outcome: installed now"));
    }
    assert_eq!(installed, 1);
    assert_eq!(server.requests(), [None]);
}

#[test]
fn the_wait_for_another_install_ends() {
    let cache = tempfile::tempdir().unwrap();
    let (server, _, pin) = served(&[Behaviour::Serve]);
    let mut options = options(cache.path(), &server.url(), vec![artifact(pin)]);
    options.lock_wait = Duration::from_millis(200);
    fs::create_dir_all(cache.path().join("onnxruntime")).unwrap();
    let lock = fs::File::create(cache.path().join("onnxruntime").join(".lock")).unwrap();
    lock.lock().unwrap();
    let text = reason(&library::locate(&options).unwrap_err());
    assert!(text.contains("another process is installing"), "{text}");
    lock.unlock().unwrap();
    assert_whole(&library::locate(&options).unwrap());
}

#[test]
fn killing_an_install_at_any_moment_leaves_nothing_that_is_trusted() {
    let cache = tempfile::tempdir().unwrap();
    let (server, _, pin) = served(&[Behaviour::Slow(Duration::from_millis(2))]);
    let options = options(cache.path(), &server.url(), vec![artifact(pin.clone())]);
    let without = LibraryOptions { install: false, ..options.clone() };
    // Moments spread over an install by the golden ratio, which covers a range evenly and never repeats.
    let mut moment = 0.0_f64;
    let mut interrupted = 0;
    for _ in 0..14 {
        moment = (moment + 0.618_033_988_75).fract();
        let mut child = installer(cache.path(), &server.url(), &pin).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(20).mul_f64(1.0 + moment * 50.0));
        // SIGKILL; the process gets no chance to tidy up.
        child.kill().unwrap();
        child.wait().unwrap();
        match library::locate(&without) {
            Ok(library) => {
                assert_whole(&library);
                fs::remove_dir_all(cache.path().join("onnxruntime")).unwrap();
            }
            Err(_) => interrupted += 1,
        }
    }
    assert!(interrupted > 0, "no process was killed during its install");
    assert_whole(&library::locate(&options).unwrap());
    assert_eq!(left_in(cache.path()).len(), 1, "what killed processes left is removed");
}

/// What an install has done so far, by what lies in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Nothing is taken out of the archive.
    Fetching,
    /// A part of the library is taken out.
    Extracting,
    /// All of it is; there is no manifest.
    Extracted,
    /// The manifest is begun or written; the folder has not its name.
    Publishing,
    /// The folder has its name; the download or the staging folder is left.
    Published,
    /// Nothing else is left.
    Done,
}

/// The stage of the install in `cache` of a library of `size` bytes.
fn stage(cache: &Path, size: u64) -> Stage {
    let names = left_in(cache);
    let staging = names.iter().find(|name| name.starts_with(".staging-"));
    let slot = names.iter().find(|name| name.starts_with("1.31.1-"));
    let root = cache.join("onnxruntime");
    // A folder that was published before, and damaged, is not the one that is being installed.
    if slot.is_some_and(|slot| !root.join(slot).join("damaged").exists()) {
        return if names.len() == 1 { Stage::Done } else { Stage::Published };
    }
    let Some(files) = staging.map(|name| root.join(name).join("files")) else { return Stage::Fetching };
    if files.join("manifest.json").exists() {
        return Stage::Publishing;
    }
    match fs::metadata(files.join("libonnxruntime.so.1")) {
        Ok(file) if file.len() == size => Stage::Extracted,
        Ok(file) if file.len() > 0 => Stage::Extracting,
        _ => Stage::Fetching,
    }
}

/// Starts an install, kills it with SIGKILL once it is at `wanted`, and gives the stage that it left.
fn kill_at(wanted: Stage, cache: &Path, url: &str, pin: &str, size: u64) -> Stage {
    let mut child = installer(cache, url, pin).spawn().unwrap();
    while child.try_wait().unwrap().is_none() && stage(cache, size) < wanted {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    stage(cache, size)
}

#[test]
fn killing_an_install_while_it_extracts_and_publishes_leaves_nothing_that_is_trusted() {
    let size = fs::metadata(real_library()).unwrap().len();
    let (server, _, pin) = served(&[Behaviour::Serve]);
    for wanted in [Stage::Extracting, Stage::Extracted, Stage::Publishing, Stage::Published] {
        // A stage may be over before the signal arrives: there are several tries.
        let hit = (0..20).any(|_| {
            let cache = tempfile::tempdir().unwrap();
            let root = cache.path().join("onnxruntime");
            fs::create_dir_all(&root).unwrap();
            let options = options(cache.path(), &server.url(), vec![artifact(pin.clone())]);
            let without = LibraryOptions { install: false, ..options.clone() };
            if wanted == Stage::Publishing {
                // An earlier install, damaged, gives way before the new one gets its name, and is long in going.
                let earlier = library::install(Flavour::Cpu, &options).unwrap().path;
                let slot = earlier.parent().unwrap();
                fs::write(&earlier, b"damaged").unwrap();
                fs::create_dir(slot.join("damaged")).unwrap();
                for number in 0..2_000 {
                    fs::write(slot.join("damaged").join(number.to_string()), b"").unwrap();
                }
            }
            let left = kill_at(wanted, cache.path(), &server.url(), &pin, size);
            let trusted = library::locate(&without);
            if left >= Stage::Published {
                let library = trusted.unwrap();
                assert_eq!(library.origin, Origin::Cache);
                assert_whole(&library);
            } else {
                let text = reason(&trusted.unwrap_err());
                assert!(text.contains("install: is switched off"), "{left:?}: {text}");
            }
            // The next start makes it good, and the one after that finds it.
            assert_whole(&library::locate(&options).unwrap());
            let again = library::locate(&without).unwrap();
            assert_eq!(again.origin, Origin::Cache);
            assert_whole(&again);
            if left < Stage::Published {
                assert_eq!(
                    left_in(cache.path()).len(),
                    1,
                    "what the killed process left is removed: {left:?}"
                );
            }
            left == wanted
        });
        assert!(hit, "no process was killed at {wanted:?}");
    }
}

#[test]
fn when_every_way_fails_the_message_lists_them_with_reasons_and_the_way_out() {
    let cache = tempfile::tempdir().unwrap();
    let mut command = installer(cache.path(), "http://127.0.0.1:9", "");
    // No package manager is on an empty path.
    let output = command.env_remove("TEST_PIN").env("PATH", cache.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for part in [
        "ONNX Runtime was not found and could not be installed",
        "archive http://127.0.0.1:9/v1.31.0/onnxruntime-",
        "pip download onnxruntime==1.31.1: is not usable here (`python3 -m pip`: not found",
        "npm pack onnxruntime-node@1.30.0: is not usable here (`npm",
        "set ORT_DYLIB_PATH",
    ] {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
}

#[test]
fn a_path_that_the_operator_names_is_used_or_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let real = real_library();
    let named = |path: &Path| {
        library::locate(&LibraryOptions {
            path: Some(path.to_owned()),
            ..options(folder.path(), "", Vec::new())
        })
    };
    let library = named(&real).unwrap();
    assert_eq!((library.origin, &library.path), (Origin::Env, &real));

    let whole = fs::read(&real).unwrap();
    let at = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let cases = [
        (folder.path().join("absent.so"), "cannot be read"),
        (folder.path().to_owned(), "is not a file"),
        (at("empty.so", b""), "is empty"),
        (at("text.so", b"this is a text, not a library"), "is not a shared library"),
        (at("cut.so", &whole[..whole.len() / 2]), "is cut off"),
    ];
    for (path, word) in cases {
        let text = reason(&named(&path).unwrap_err());
        assert!(text.contains(word) && text.contains(&path.display().to_string()), "{word}: {text}");
        assert!(text.contains("1.24 or newer"), "{text}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_library_that_is_not_onnx_runtime_is_called_so() {
    let folder = tempfile::tempdir().unwrap();
    let libc = fs::read_to_string("/proc/self/maps")
        .unwrap()
        .lines()
        .find_map(|line| {
            line.split_whitespace().last().filter(|path| path.contains("libc.so")).map(str::to_owned)
        })
        .unwrap();
    let options = LibraryOptions { path: Some(libc.into()), ..options(folder.path(), "", Vec::new()) };
    assert!(reason(&library::locate(&options).unwrap_err()).contains("is not ONNX Runtime"));
}

#[test]
fn without_a_cache_folder_or_permission_to_install_the_error_says_so() {
    let nowhere = options(Path::new(""), "http://127.0.0.1:9", vec![artifact(sha256(b""))]);
    assert!(reason(&library::locate(&nowhere).unwrap_err()).contains("TABAGENT_CACHE_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let forbidden = LibraryOptions {
        install: false,
        ..options(folder.path(), "http://127.0.0.1:9", vec![artifact(sha256(b""))])
    };
    assert!(reason(&library::locate(&forbidden).unwrap_err()).contains("install: is switched off"));
}

#[test]
fn pip_delivers_the_pinned_library() {
    let cache = tempfile::tempdir().unwrap();
    let pinned = Release::pinned(Flavour::Cpu);
    let wheels = pinned.artifacts.into_iter().filter(|artifact| artifact.way == Way::Pip).collect();
    let library = library::locate(&options(cache.path(), "http://127.0.0.1:9", wheels)).unwrap();
    assert_eq!((library.origin, library.version.as_str()), (Origin::Installed(Way::Pip), "1.31.1"));
    assert_eq!(left_in(cache.path()).len(), 1);
}
