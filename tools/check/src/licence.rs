//! SPDX licence expressions: may we use a package under it?

/// Whether an expression can be met with licences of the list alone.
///
/// Understands `OR`, `AND`, `WITH`, parentheses and the old `/`; what it doesn't understand is not allowed.
pub(crate) fn is_allowed(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader { tokens: &tokens, at: 0, allowed };
    reader.any() == Some(true) && reader.at == tokens.len()
}

struct Reader<'a> {
    tokens: &'a [&'a str],
    at: usize,
    allowed: &'a [&'a str],
}

impl<'a> Reader<'a> {
    /// `all OR all …`
    fn any(&mut self) -> Option<bool> {
        let mut result = self.all()?;
        while self.take("OR") {
            result |= self.all()?;
        }
        Some(result)
    }

    /// `one AND one …`
    fn all(&mut self) -> Option<bool> {
        let mut result = self.one()?;
        while self.take("AND") {
            result &= self.one()?;
        }
        Some(result)
    }

    /// A licence, perhaps with an exception, or an expression in parentheses.
    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            let result = self.any()?;
            return self.take(")").then_some(result);
        }
        let name = self.next()?;
        if !self.take("WITH") {
            return Some(self.allowed.contains(&name));
        }
        let full = format!("{name} WITH {}", self.next()?);
        Some(self.allowed.contains(&full.as_str()))
    }

    fn next(&mut self) -> Option<&'a str> {
        let token = self.tokens.get(self.at)?;
        self.at += 1;
        Some(token)
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.tokens.get(self.at) == Some(&token);
        self.at += usize::from(found);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    #[test]
    fn expressions() {
        let allowed = ["MIT", "Apache-2.0", "ISC"];
        for (expression, expected) in [
            ("MIT", true),
            ("GPL-3.0-only", false),
            ("GPL-3.0-only OR MIT", true),
            ("GPL-3.0-only AND MIT", false),
            ("GPL-2.0/MIT", true),
            ("ISC AND (Apache-2.0 OR OpenSSL)", true),
            ("(MIT OR Apache-2.0) AND OpenSSL", false),
            ("Apache-2.0 WITH LLVM-exception", false),
            ("Apache-2.0 WITH LLVM-exception OR MIT", true),
            ("MIT MIT", false),
            ("(MIT", false),
            ("", false),
        ] {
            assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
        }
    }
}
