//! Takes out of Swagger UI's archive the two files that the docs page loads: with everything that is
//! in it the image would be over its bound. Puts the recipes, which tests run as they are, into the
//! guide. And finds the commit that is built: given in
//! `SDDC_GATEWAY_COMMIT`, as for an image, or read from the checkout. git itself need not be there.

use std::{
    borrow::Cow,
    env,
    fmt::Write as _,
    fs,
    io::{self, Cursor},
    path::{Path, PathBuf},
};

use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
use zip::ZipArchive;

/// Languages of the guide's recipes: how their files end, and what their tabs say.
const LANGUAGES: [(&str, &str); 5] = [
    ("sh", "curl"),
    ("py", "Python"),
    ("mjs", "JavaScript, TypeScript"),
    ("go", "Go"),
    ("rs", "Rust"),
];

const FILES: [&str; 2] = ["swagger-ui.css", "swagger-ui-bundle.js"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let commit = commit().unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=SDDC_GATEWAY_COMMIT={commit}");
    let folder = env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    let mut archive = ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED))?;
    for file in FILES {
        let end = format!("/dist/{file}");
        let names = archive.file_names().filter_map(Result::ok);
        let name = names.map(Cow::into_owned).find(|name| name.ends_with(&end));
        let mut entry = archive.by_name(&name.ok_or(format!("no {file} in the archive"))?)?;
        io::copy(&mut entry, &mut fs::File::create(Path::new(&folder).join(file))?)?;
    }
    fs::write(Path::new(&folder).join("guide.html"), guide()?)?;
    Ok(())
}

/// The guide with each `<!--recipe NAME-->` replaced by the recipe in all languages.
fn guide() -> Result<String, Box<dyn std::error::Error>> {
    const DOCS: &str = "src/api/docs";
    println!("cargo::rerun-if-changed={DOCS}/recipes");
    let page = read(&Path::new(DOCS).join("guide.html")).ok_or("the guide is not there")?;
    let mut parts = page.split("<!--recipe ");
    let mut guide = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, after) = part.split_once("-->").ok_or("a recipe's mark has no end")?;
        guide += "<div class=\"tabs\">\n";
        for (kind, language) in LANGUAGES {
            let file = format!("{name}.{kind}");
            let code = fs::read_to_string(Path::new(DOCS).join("recipes").join(&file))?;
            let code = code.trim_end().replace('&', "&amp;").replace('<', "&lt;");
            writeln!(
                guide,
                "<section><h4>{language}</h4><pre data-recipe=\"{file}\">{code}</pre></section>"
            )?;
        }
        guide += "</div>";
        guide += after;
    }
    Ok(guide)
}

fn commit() -> Option<String> {
    println!("cargo::rerun-if-env-changed=SDDC_GATEWAY_COMMIT");
    let given = env::var("SDDC_GATEWAY_COMMIT").ok();
    given
        .as_deref()
        .and_then(commit_id)
        .or_else(|| checked_out(Path::new(&env::var_os("CARGO_MANIFEST_DIR")?)))
}

/// What `HEAD` of a checkout means: a commit, or a branch's newest.
fn checked_out(root: &Path) -> Option<String> {
    let folder = git_folder(root)?;
    let head = read(&folder.join("HEAD"))?;
    let Some(name) = head.trim().strip_prefix("ref: ") else { return commit_id(&head) };
    // A worktree has a HEAD of its own; branches are in the repository's folder.
    let common = read(&folder.join("commondir"))
        .map_or_else(|| folder.clone(), |text| folder.join(text.trim()));
    let loose = [&folder, &common].into_iter().find_map(|it| read(&it.join(name)));
    loose.as_deref().and_then(commit_id).or_else(|| {
        let packed = read(&common.join("packed-refs"))?;
        let line =
            packed.lines().find(|line| line.split_once(' ').is_some_and(|it| it.1 == name))?;
        commit_id(line.split(' ').next()?)
    })
}

/// `.git`, or where the file of this name says that it is.
fn git_folder(root: &Path) -> Option<PathBuf> {
    let git = root.join(".git");
    if git.is_dir() {
        return Some(git);
    }
    let text = read(&git)?;
    Some(root.join(text.strip_prefix("gitdir:")?.trim()))
}

/// Reads a file, and has the build repeated when it changes.
fn read(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    println!("cargo::rerun-if-changed={}", path.display());
    Some(text)
}

fn commit_id(text: &str) -> Option<String> {
    let text = text.trim();
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_hex && (7..=64).contains(&text.len())).then(|| text.to_ascii_lowercase())
}
