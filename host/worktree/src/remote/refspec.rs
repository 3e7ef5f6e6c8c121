//! Which references there become which here: refspecs, as git-fetch(1) has them.

/// A line of `remote.<name>.fetch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refspec {
    is_forced: bool,
    /// Whatever it matches is left out.
    is_negative: bool,
    from: String,
    to: String,
}

/// A reference that is to be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mapped {
    pub(super) to: String,
    pub(super) is_forced: bool,
}

impl Refspec {
    /// None where it is not one, or is one of a kind that says nothing about where to put things.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (is_forced, rest) = text.strip_prefix('+').map_or((false, text), |rest| (true, rest));
        if let Some(from) = rest.strip_prefix('^') {
            let is_one = from.starts_with("refs/") && from.matches('*').count() <= 1 && !is_forced;
            return is_one.then(|| Self {
                is_forced,
                is_negative: true,
                from: from.to_owned(),
                to: String::new(),
            });
        }
        let (from, to) = rest.split_once(':')?;
        let from = if from.starts_with("refs/") || from == "HEAD" {
            from.to_owned()
        } else {
            format!("refs/heads/{from}")
        };
        let to = if to.starts_with("refs/") { to.to_owned() } else { format!("refs/heads/{to}") };
        let stars = (from.matches('*').count(), to.matches('*').count());
        matches!(stars, (0, 0) | (1, 1)).then_some(Self { is_forced, is_negative: false, from, to })
    }

    /// What it fetches.
    pub(super) fn source(&self) -> Option<String> {
        (!self.is_negative).then(|| self.from.clone())
    }

    fn captured<'a>(&self, name: &'a str) -> Option<&'a str> {
        match self.from.split_once('*') {
            None => (self.from == name).then_some(""),
            Some((before, after)) => name.strip_prefix(before)?.strip_suffix(after),
        }
    }

    /// Where a reference of this name goes.
    pub(super) fn map(all: &[Self], name: &str) -> Option<Mapped> {
        if all.iter().any(|spec| spec.is_negative && spec.captured(name).is_some()) {
            return None;
        }
        all.iter().filter(|spec| !spec.is_negative).find_map(|spec| {
            let captured = spec.captured(name)?;
            Some(Mapped { to: spec.to.replacen('*', captured, 1), is_forced: spec.is_forced })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_mapped_as_git_does() {
        let specs: Vec<_> =
            ["+refs/heads/*:refs/remotes/o/*", "^refs/heads/x/*", "main:mine", "HEAD:refs/o/HEAD"]
                .iter()
                .filter_map(|text| Refspec::parse(text))
                .collect();
        assert_eq!(specs.len(), 4);
        let to = |name: &str| Refspec::map(&specs, name).map(|mapped| (mapped.to, mapped.is_forced));
        assert_eq!(to("refs/heads/a/b"), Some(("refs/remotes/o/a/b".to_owned(), true)));
        assert_eq!(to("refs/heads/x/b"), None);
        assert_eq!(to("refs/tags/a"), None);
        assert_eq!(to("HEAD"), Some(("refs/o/HEAD".to_owned(), false)));
        assert_eq!(Refspec::map(&specs[2..], "refs/heads/main").unwrap().to, "refs/heads/mine");
    }

    #[test]
    fn what_is_no_refspec_is_none() {
        for text in ["", "refs/heads/*:x", "refs/*/*:refs/*/*", "+^refs/x", "^x", "refs/heads/main"] {
            assert_eq!(Refspec::parse(text), None, "{text}");
        }
    }
}
