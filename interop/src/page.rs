//! The commands of a page of documentation, as a reader copies them, and what it says they print.

use std::fs;

use anyhow::{Context as _, Result, ensure};

use crate::environment::repository;

/// A page of `docs/`, or a part of it.
#[derive(Clone, Debug)]
pub struct Page {
    text: String,
}

/// What a reader types at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typed {
    /// A block of language `sh`, or one command of a `console` block, without its prompt.
    pub script: String,
    /// What the page shows that it prints; `...` stands for anything.
    pub shown: Option<String>,
}

impl Page {
    /// Reads `docs/NAME`.
    ///
    /// # Errors
    /// If there is no such page.
    pub fn read(name: &str) -> Result<Self> {
        let path = repository().join("docs").join(name);
        let text = fs::read_to_string(&path);
        Ok(Self { text: text.with_context(|| format!("cannot read {}", path.display()))? })
    }

    /// What stands under a heading, up to the next one that is as high.
    ///
    /// # Errors
    /// If there is no such heading.
    pub fn section(&self, heading: &str) -> Result<Self> {
        let level = heading.split_once(' ').map_or(0, |(marks, _)| marks.len());
        let mut lines = self.text.lines().skip_while(|line| *line != heading);
        lines.next().with_context(|| format!("no heading `{heading}`"))?;
        let mut in_block = false;
        let inside = lines.take_while(|line| {
            in_block ^= line.trim_start().starts_with("```");
            let marks = line.len() - line.trim_start_matches('#').len();
            // A comment of a script is no heading.
            in_block || !(1..=level).contains(&marks)
        });
        Ok(Self { text: inside.flat_map(|line| [line, "\n"]).collect() })
    }

    /// The headings that begin so.
    pub fn headings(&self, beginning: &str) -> Vec<&str> {
        self.text.lines().filter(|line| line.starts_with(beginning)).collect()
    }

    /// What stands before a line, and what from it on.
    ///
    /// # Errors
    /// If no line begins so.
    pub fn split_at(&self, beginning: &str) -> Result<(Self, Self)> {
        let found = self.text.match_indices(beginning).map(|(at, _)| at);
        let at = found.into_iter().find(|&at| at == 0 || self.text[..at].ends_with('\n'));
        let (before, after) = self.text.split_at(at.with_context(|| format!("no `{beginning}`"))?);
        Ok((Self { text: before.to_owned() }, Self { text: after.to_owned() }))
    }

    /// The blocks of a language.
    pub fn blocks(&self, language: &str) -> Vec<String> {
        let blocks = self.all_blocks().into_iter();
        blocks.filter(|(found, _)| found == language).map(|(_, block)| block).collect()
    }

    /// Everything that a reader types, in order.
    ///
    /// # Errors
    /// If a `console` block does not begin with a prompt, or there is nothing to type.
    pub fn typed(&self) -> Result<Vec<Typed>> {
        let mut all = Vec::new();
        for (language, block) in self.all_blocks() {
            match language.as_str() {
                "sh" => all.push(Typed { script: block, shown: None }),
                "console" => all.extend(transcript(&block)?),
                _ => {}
            }
        }
        ensure!(!all.is_empty(), "no commands in {}", self.text);
        Ok(all)
    }

    /// Language and text of each fenced block, less the indentation of its list.
    fn all_blocks(&self) -> Vec<(String, String)> {
        let mut blocks = Vec::new();
        let mut lines = self.text.lines();
        while let Some(line) = lines.next() {
            let Some(language) = line.trim_start().strip_prefix("```") else { continue };
            let indentation = &line[..line.len() - line.trim_start().len()];
            let block = lines
                .by_ref()
                .take_while(|line| !line.trim_start().starts_with("```"))
                .flat_map(|line| [line.strip_prefix(indentation).unwrap_or(line), "\n"]);
            blocks.push((language.to_owned(), block.collect()));
        }
        blocks
    }
}

/// `#` and `$` stand before what is typed; a line that ends with `\` goes on.
fn transcript(block: &str) -> Result<Vec<Typed>> {
    let mut all: Vec<Typed> = Vec::new();
    let mut goes_on = false;
    for line in block.lines() {
        let typed = line.strip_prefix("# ").or_else(|| line.strip_prefix("$ "));
        if let Some(typed) = typed.filter(|_| !goes_on) {
            all.push(Typed { script: format!("{typed}\n"), shown: None });
        } else {
            let last = all.last_mut().with_context(|| format!("no prompt before `{line}`"))?;
            let text = if goes_on { &mut last.script } else { last.shown.get_or_insert_default() };
            text.extend([line, "\n"]);
        }
        goes_on = line.ends_with('\\') && (goes_on || typed.is_some());
    }
    Ok(all)
}

impl Typed {
    /// Whether the page is right about what was printed.
    pub fn is_shown_by(&self, printed: &str) -> bool {
        let Some(shown) = &self.shown else { return true };
        // Header lines end with a carriage return.
        let printed = printed.replace('\r', "");
        let parts: Vec<_> = shown.trim().split("...").collect();
        let (first, rest) = parts.split_first().unwrap_or((&"", &[]));
        let Some(mut printed) = printed.trim().strip_prefix(first) else { return false };
        let Some((last, between)) = rest.split_last() else { return printed.is_empty() };
        for part in between {
            let Some((_, after)) = printed.split_once(part) else { return false };
            printed = after;
        }
        printed.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
# Page

## First

1. Do it:

   ```sh
   # A comment
   cat <<END
     indented
   END
   ```

## Second

```console
# one \\
    more
said
$ two
```

### Below
```toml
a = 1
```
## Third
";

    #[test]
    fn a_section_has_what_a_reader_types_there() -> Result<()> {
        let page = Page { text: PAGE.to_owned() };
        let first = page.section("## First")?.typed()?;
        let script = "# A comment\ncat <<END\n  indented\nEND\n".to_owned();
        assert_eq!(first, [Typed { script, shown: None }]);

        let second = page.section("## Second")?;
        assert_eq!(second.blocks("toml"), ["a = 1\n"]);
        let typed = |script: &str, shown: Option<&str>| Typed {
            script: script.to_owned(),
            shown: shown.map(str::to_owned),
        };
        let expected = [typed("one \\\n    more\n", Some("said\n")), typed("two\n", None)];
        assert_eq!(second.typed()?, expected);

        assert!(page.section("## Fourth").is_err());
        assert!(page.section("## Third")?.typed().is_err(), "nothing to type");
        assert!(transcript("said\n").is_err(), "no prompt");
        Ok(())
    }

    #[test]
    fn what_is_shown_is_compared() {
        let cases = [
            ("one\ntwo", "one\r\ntwo\r\n", true),
            ("one", "one\ntwo", false),
            ("one\n...", "one\ntwo", true),
            ("...two", "one\ntwo", true),
            ("a ... c\n...\ne", "a b c\nd\ne", true),
            ("a ... c\n...\ne", "a b\nd\ne", false),
            ("a...a", "a", false),
        ];
        for (shown, printed, expected) in cases {
            let typed = Typed { script: String::new(), shown: Some(shown.to_owned()) };
            assert_eq!(typed.is_shown_by(printed), expected, "{shown:?} {printed:?}");
        }
    }
}
