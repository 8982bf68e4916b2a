//! Whether a policy says what the migration makes it say, and nothing more.

use std::borrow::Cow;

use sqlx::postgres::types::Oid;

use crate::{
    row_level_security::{ACROSS_CONDITION, ACROSS_POLICY, OWN_POLICY, own_condition},
    scope::SchemaFault,
};

use super::Catalogue;

/// The policies of relation `$1` with organisation column `$2`. What `PostgreSQL` itself brings along has no entry in
/// `pg_depend`: an expression with none but its own column's uses no other column, table, function or operator.
const POLICIES: &str = "
SELECT p.polname::text AS name, p.polpermissive AS permissive, p.polcmd::text AS command,
       p.polroles = '{0}'::oid[] AS for_everybody,
       EXISTS (
           SELECT FROM pg_depend d
           WHERE d.classid = 'pg_policy'::regclass AND d.objid = p.oid
             AND NOT (d.refclassid = 'pg_class'::regclass AND d.refobjid = p.polrelid
                 AND d.refobjsubid IN (0, coalesce((
                     SELECT a.attnum FROM pg_attribute a
                     WHERE a.attrelid = p.polrelid AND a.attname = $2 AND NOT a.attisdropped), 0)))
       ) AS looks_elsewhere,
       coalesce(pg_get_expr(p.polqual, p.polrelid), 'nothing') AS readable,
       coalesce(pg_get_expr(p.polwithcheck, p.polrelid), 'nothing') AS writable
FROM pg_policy p WHERE p.polrelid = $1
ORDER BY 1";

struct Policy {
    name: String,
    permissive: bool,
    /// `*`, `r`, `a`, `w` or `d`.
    command: String,
    for_everybody: bool,
    looks_elsewhere: bool,
    readable: String,
    writable: String,
}

/// What one policy of a relation does.
enum Effect {
    /// Binds rows to their organisation.
    Own,
    /// Lets nothing more through.
    Narrower,
}

impl Catalogue<'_> {
    /// Whether the policies of a relation let through what the migration's would, or nothing at all.
    pub(super) async fn policies_bind(
        &self,
        relation: Oid,
    ) -> Result<Result<bool, Cow<'static, str>>, SchemaFault> {
        let policies = self.rows(sqlx::query(POLICIES).bind(relation).bind(self.column)).await?;
        let mut own = false;
        for row in policies {
            let policy = Policy {
                name: self.read(&row, "name")?,
                permissive: self.read(&row, "permissive")?,
                command: self.read(&row, "command")?,
                for_everybody: self.read(&row, "for_everybody")?,
                looks_elsewhere: self.read(&row, "looks_elsewhere")?,
                readable: self.read(&row, "readable")?,
                writable: self.read(&row, "writable")?,
            };
            match policy.judge(self.column) {
                Ok(Effect::Own) => own = true,
                Ok(Effect::Narrower) => {}
                Err(fault) => return Ok(Err(fault)),
            }
        }
        Ok(Ok(own))
    }
}

impl Policy {
    fn judge(&self, column: &str) -> Result<Effect, Cow<'static, str>> {
        let own = own_condition(column);
        let (effect, command, readable, writable) = match &*self.name {
            OWN_POLICY => (Effect::Own, "*", &*own, &*own),
            ACROSS_POLICY => (Effect::Narrower, "r", ACROSS_CONDITION, "nothing"),
            _ if self.permissive => {
                return Err(Cow::Owned(format!(
                    "another permissive policy, `{}`, lets more through: drop it",
                    self.name
                )));
            }
            _ => return Ok(Effect::Narrower),
        };
        let difference: Cow<'_, str> = if !self.permissive {
            "is restrictive".into()
        } else if self.command != command {
            "is for other commands".into()
        } else if !self.for_everybody {
            "is not for every role (TO PUBLIC)".into()
        } else if self.looks_elsewhere {
            "uses another column, table, function or operator".into()
        } else if tokens(&self.readable) != tokens(readable) {
            format!("lets read and change where `{}`", self.readable).into()
        } else if tokens(&self.writable) != tokens(writable) {
            format!("lets write (WITH CHECK) where `{}`", self.writable).into()
        } else {
            return Ok(effect);
        };
        Err(Cow::Owned(format!("its policy `{}` {difference}: make it again with the migration", self.name)))
    }
}

/// The words of an expression, without what `PostgreSQL` adds when it shows one: parentheses, casts to text, names of
/// what a sub-select gives. Texts stay as they are.
///
/// Without parentheses two expressions could look alike; none does that has the words of ours, in which only `=` and
/// the sub-select could be nested in another way, and the order of the words tells those apart.
fn tokens(expression: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut rest = expression.chars().peekable();
    while let Some(first) = rest.next() {
        let mut word = String::new();
        if first == '\'' || first == '"' {
            let quoted: String = rest.by_ref().take_while(|&next| next != first).collect();
            word = if first == '"' { quoted } else { format!("'{quoted}'") };
        } else if first.is_alphanumeric() || first == '_' {
            word.push(first.to_ascii_lowercase());
            while let Some(next) = rest.next_if(|next| next.is_alphanumeric() || *next == '_') {
                word.push(next.to_ascii_lowercase());
            }
        } else if !first.is_whitespace() && first != '(' && first != ')' {
            word.push(first);
        } else {
            continue;
        }
        let is_label = words.last().is_some_and(|last| last == "as");
        if is_label {
            words.pop();
        } else if word == "text" && words.ends_with(&[":".to_owned(), ":".to_owned()]) {
            words.truncate(words.len().saturating_sub(2));
        } else {
            words.push(word);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::tokens;
    use crate::row_level_security::{ACROSS_CONDITION, own_condition};

    const SHOWN: &str = "(organisation = ( SELECT NULLIF(current_setting('countersign.organisation'::text, true), \
                         ''::text) AS \"nullif\"))";

    #[test]
    fn what_is_shown_of_the_migration_is_the_migration() {
        assert_eq!(tokens(SHOWN), tokens(&own_condition("organisation")));
        let cast = SHOWN.replace("organisation =", "(\"Org\")::text =");
        assert_eq!(tokens(&cast), tokens(&own_condition("Org")));
        let across =
            "(( SELECT current_setting('countersign.across'::text, true) AS current_setting) = 'on'::text)";
        assert_eq!(tokens(across), tokens(ACROSS_CONDITION));
    }

    #[test]
    fn anything_more_or_less_is_another_expression() {
        for (from, to) in [
            ("\"nullif\"))", "\"nullif\")) OR true"),
            ("(organisation =", "(true OR organisation ="),
            ("=", "<>"),
            ("=", "OPERATOR(public.=)"),
            ("organisation =", "item ="),
            ("organisation =", "(organisation)::integer ="),
            ("organisation =", "(organisation COLLATE loose) ="),
            ("''::text", "'acme'::text"),
            ("''::text", "NULL::text"),
            ("countersign.organisation", "countersign.Organisation"),
            ("countersign.organisation", "other"),
            ("NULLIF(", "COALESCE("),
            (" AS \"nullif\"", " AS \"nullif\" FROM orders"),
            (" AS \"nullif\"", " AS \"nullif\" UNION ALL SELECT 'globex'"),
        ] {
            let other = SHOWN.replacen(from, to, 1);
            assert_ne!(other, SHOWN, "{from}");
            assert_ne!(tokens(&other), tokens(&own_condition("organisation")), "{other}");
        }
    }
}
