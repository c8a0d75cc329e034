//! Money.

use serde_json::{Value, json};

/// Subsidiaries and their currencies. Prices are the same number in each.
const SUBSIDIARIES: [(&str, &str); 24] = [
    ("ASIA", "USD"),
    ("AU", "AUD"),
    ("CA", "CAD"),
    ("CZ", "CZK"),
    ("DE", "EUR"),
    ("ES", "EUR"),
    ("FI", "EUR"),
    ("FR", "EUR"),
    ("GB", "GBP"),
    ("IE", "EUR"),
    ("IN", "INR"),
    ("IT", "EUR"),
    ("LT", "EUR"),
    ("MA", "MAD"),
    ("NL", "EUR"),
    ("PL", "PLN"),
    ("PT", "EUR"),
    ("QC", "CAD"),
    ("SG", "SGD"),
    ("SN", "XOF"),
    ("TN", "TND"),
    ("US", "USD"),
    ("WE", "USD"),
    ("WS", "USD"),
];

/// `None` if there is no such subsidiary.
pub(crate) fn currency(subsidiary: &str) -> Option<&'static str> {
    SUBSIDIARIES.iter().find(|(code, _)| *code == subsidiary).map(|(_, currency)| *currency)
}

/// As the API writes an amount.
pub(crate) fn price(cents: u64, currency: &str) -> Value {
    let symbol = if currency == "EUR" { "€" } else { currency };
    json!({
        "currencyCode": currency,
        "text": format!("{}.{:02} {symbol}", cents / 100, cents % 100),
        "value": cents as f64 / 100.0,
    })
}

/// How plans are sold: pricing mode, duration, and how many months that is.
pub(crate) const TERMS: [(&str, &str, u32); 3] =
    [("default", "P1M", 1), ("upfront12", "P1Y", 12), ("upfront24", "P2Y", 24)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_as_text_and_number() {
        let expected = json!({ "currencyCode": "EUR", "text": "179.98 €", "value": 179.98 });
        assert_eq!(price(17_998, "EUR"), expected);
        assert_eq!(price(5, "PLN")["text"], "0.05 PLN");
        assert_eq!((currency("FR"), currency("XX")), (Some("EUR"), None));
    }
}
