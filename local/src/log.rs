//! What the host warns of while it runs: at a terminal in short coloured lines, everywhere else in JSON, one line each.

use console::style;
use std::fmt;
use std::io::{self, IsTerminal};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

/// Starts it for the whole process, to standard error.
pub fn start() {
    let lines = lines(io::stderr, io::stderr().is_terminal());
    // Fails only where one is set already, and then that one is as good.
    if tracing::subscriber::set_global_default(Registry::default().with(lines)).is_err() {
        tracing::debug!("the log was started before");
    }
}

/// Of the host's own parts: what libraries warn of, those that use them tell in their own words.
fn lines<W>(writer: W, at_terminal: bool) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let own = Targets::new().with_targets(["local", "emulator"].map(|part| (part, LevelFilter::WARN)));
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    if at_terminal {
        lines.event_format(Terse).with_filter(own).boxed()
    } else {
        lines.json().flatten_event(true).with_target(false).with_filter(own).boxed()
    }
}

struct Terse;

impl<S, N> FormatEvent<S, N> for Terse
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = match *event.metadata().level() {
            Level::ERROR => style("error:").red(),
            _ => style("warning:").yellow(),
        };
        write!(writer, "{} ", level.for_stderr())?;
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(at_terminal: bool) -> String {
        let page = Page::default();
        let writer = page.clone();
        let lines = lines(move || writer.clone(), at_terminal);
        tracing::subscriber::with_default(Registry::default().with(lines), || {
            tracing::warn!(function = "F", action = "sqs:SendMessage", "refused");
            tracing::info!("nothing to worry about");
            tracing::warn!(target: "aws_smithy_runtime", "somebody else's");
        });
        let bytes = page.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_terminal_gets_a_short_line() {
        let line = written(true);
        assert_eq!(
            console::strip_ansi_codes(&line),
            "warning: refused function=\"F\" action=\"sqs:SendMessage\"\n"
        );
    }

    #[test]
    fn programs_get_json() {
        let line: serde_json::Value = serde_json::from_str(&written(false)).unwrap();
        assert_eq!(
            (&line["level"], &line["message"], &line["function"]),
            (&"WARN".into(), &"refused".into(), &"F".into())
        );
    }
}
