//! DynamoDB's TTL: deletes items after they have expired, while the server runs.
//!
//! The engine's own sweep goes by the machine's clock instead of the server's, which can be moved, and counts the table
//! before it begins.

use super::running::Stopped;
use super::{LocalClock, TABLE};
use dynoxide::actions::delete_item::DeleteItemRequest;
use dynoxide::actions::scan::ScanRequest;
use dynoxide::{AttributeValue, Database, DynoxideError, Item};
use shared::ports::Clock as _;
use shared::store::schema::attr;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::sleep;

/// Number of items that one call to the engine looks at.
const PAGE_ITEMS: usize = 100;

/// The pause after each call to the engine, which takes about a millisecond: requests get their turn, and a pass over a large
/// table takes a tenth of a core.
const PAUSE: Duration = Duration::from_millis(10);

/// The time between two passes, unless the clock is moved. DynamoDB takes up to a few days.
const INTERVAL: Duration = Duration::from_hours(1);

/// The condition on an expired item. DynamoDB's TTL also leaves an item until the second after it.
const EXPIRED: &str = "#ttl < :now";

/// Deletes the expired items of a table, a few at a time.
pub(super) struct Collector {
    pub(super) table: Database,
    pub(super) clock: LocalClock,
}

/// Where the next page starts; `None` at the end of the table.
type Position = Option<Item>;

impl Collector {
    /// Looks through the table at once, then every hour and whenever the clock is moved, until `stopped` resolves.
    pub(super) async fn run(self, stopped: Stopped) {
        tokio::select! {
            () = stopped => {}
            () = self.collect_forever() => {}
        }
    }

    async fn collect_forever(&self) {
        let mut moves = self.clock.moves();
        loop {
            moves.mark_unchanged();
            if let Err(error) = self.pass().await {
                tracing::error!(%error, "expired items could not be deleted");
            }
            tokio::select! {
                () = sleep(INTERVAL) => {}
                // An error means that there is no other clock to move this one.
                Ok(()) = moves.changed() => {}
            }
        }
    }

    /// Looks at every item once.
    async fn pass(&self) -> Result<(), DynoxideError> {
        let mut position = None;
        loop {
            let (expired, next) = self.page(position)?;
            sleep(PAUSE).await;
            for key in expired {
                self.delete(key)?;
                sleep(PAUSE).await;
            }
            if next.is_none() {
                return Ok(());
            }
            position = next;
        }
    }

    /// The keys of the expired items of a page.
    fn page(&self, from: Position) -> Result<(Vec<Item>, Position), DynoxideError> {
        let (names, values) = self.expired();
        let page = self.table.scan(ScanRequest {
            table_name: TABLE.to_owned(),
            filter_expression: Some(EXPIRED.to_owned()),
            projection_expression: Some(format!("{}, {}", attr::PK, attr::SK)),
            expression_attribute_names: Some(names),
            expression_attribute_values: Some(values),
            limit: Some(PAGE_ITEMS),
            exclusive_start_key: from,
            ..ScanRequest::default()
        })?;
        Ok((page.items.unwrap_or_default(), page.last_evaluated_key))
    }

    /// Deletes an item, unless it was replaced by one that has not expired.
    fn delete(&self, key: Item) -> Result<(), DynoxideError> {
        let (names, values) = self.expired();
        let deleted = self.table.delete_item(DeleteItemRequest {
            table_name: TABLE.to_owned(),
            key,
            condition_expression: Some(EXPIRED.to_owned()),
            expression_attribute_names: Some(names),
            expression_attribute_values: Some(values),
            ..DeleteItemRequest::default()
        });
        match deleted {
            Ok(_) | Err(DynoxideError::ConditionalCheckFailedException(..)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The names and values of [`EXPIRED`].
    fn expired(&self) -> (HashMap<String, String>, Item) {
        let names = [("#ttl".to_owned(), attr::TTL.to_owned())];
        let values = [(":now".to_owned(), AttributeValue::N(self.clock.now().seconds().to_string()))];
        (names.into(), values.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::{Local, Options, start};
    use shared::config::Settings;
    use std::path::Path;

    const HOUR: u64 = 3_600;
    const PREFIX: &str = "item ";

    async fn started(data_dir: Option<&Path>) -> Local {
        let settings = Settings::for_local(&|_| None).unwrap();
        let data_dir = data_dir.map(Path::to_owned);
        start(Options { data_dir, ..Options::in_memory(settings) }).await.unwrap()
    }

    fn collector(local: &Local) -> Collector {
        Collector { table: local.engine.table.clone(), clock: local.clock.clone() }
    }

    fn item(number: usize) -> Item {
        let text = |name: &str, value: String| (name.to_owned(), AttributeValue::S(value));
        [text(attr::PK, format!("{PREFIX}{number:05}")), text(attr::SK, "challenge".to_owned())].into()
    }

    fn put(table: &Database, number: usize, expires_at: Option<u64>) {
        let mut item = item(number);
        item.extend(expires_at.map(|at| (attr::TTL.to_owned(), AttributeValue::N(at.to_string()))));
        let request = serde_json::json!({"TableName": TABLE, "Item": item});
        table.put_item(serde_json::from_value(request).unwrap()).unwrap();
    }

    /// The numbers of the items that are there.
    fn left(table: &Database) -> Vec<usize> {
        let all = ScanRequest { table_name: TABLE.to_owned(), ..ScanRequest::default() };
        let items = table.scan(all).unwrap().items.unwrap();
        let names = items.iter().filter_map(|item| match &item[attr::PK] {
            AttributeValue::S(name) => name.strip_prefix(PREFIX),
            _ => None,
        });
        names.map(|number| number.parse().unwrap()).collect()
    }

    /// EXP-05: DynamoDB's TTL deletes what is older than the second that it names.
    #[tokio::test]
    async fn an_item_is_left_until_the_second_of_its_ttl_has_passed() {
        let local = started(None).await;
        local.clock.freeze();
        let (now, table) = (local.clock.now().seconds(), &local.engine.table);
        for (number, expires_at) in [None, Some(now), Some(now - 1), Some(now + HOUR)].into_iter().enumerate()
        {
            put(table, number, expires_at);
        }
        collector(&local).pass().await.unwrap();
        assert_eq!(left(table), [0, 1, 3]);
        local.clock.advance(1).unwrap();
        collector(&local).pass().await.unwrap();
        assert_eq!(left(table), [0, 3]);
    }

    /// EXP-07: a message log, for example, gets a later TTL with each message.
    #[tokio::test]
    async fn an_item_that_was_renewed_since_it_was_found_is_left() {
        let local = started(None).await;
        let (now, table) = (local.clock.now().seconds(), &local.engine.table);
        put(table, 0, Some(now - HOUR));
        let (found, _) = collector(&local).page(None).unwrap();
        assert_eq!(found, [item(0)]);
        put(table, 0, Some(now + HOUR));
        collector(&local).delete(item(0)).unwrap();
        assert_eq!(left(table), [0]);
    }

    /// On a single thread, nothing runs in the background before the test waits.
    #[tokio::test]
    async fn a_start_deletes_nothing_and_the_running_server_little_by_little() {
        let dir = tempfile::tempdir().unwrap();
        let local = started(Some(dir.path())).await;
        let (now, items) = (local.clock.now().seconds(), 2 * PAGE_ITEMS + 50);
        for number in 0..items {
            put(&local.engine.table, number, Some(if number % 5 == 0 { now + 3 * HOUR } else { now + HOUR }));
        }
        local.stop().await;
        // The clock is moved while nothing runs, as time passes.
        let clock = LocalClock::open(Some(dir.path().join("clock"))).unwrap();
        clock.advance(2 * 3_600).unwrap();

        let local = started(Some(dir.path())).await;
        let mut seen = vec![left(&local.engine.table)];
        assert_eq!(seen[0].len(), items);
        let kept: Vec<usize> = (0..items).step_by(5).collect();
        while *seen.last().unwrap() != kept {
            assert!(seen.last().unwrap().len() >= kept.len());
            sleep(PAUSE).await;
            seen.push(left(&local.engine.table));
        }
        seen.dedup();
        assert!(seen.len() > items / PAGE_ITEMS, "many small steps: {}", seen.len());

        // Once more, because the clock is moved.
        local.clock.advance(2 * 3_600).unwrap();
        while !left(&local.engine.table).is_empty() {
            sleep(PAUSE).await;
        }
        local.stop().await;
    }
}
