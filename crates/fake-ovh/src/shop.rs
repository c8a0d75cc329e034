//! All carts and orders.

use crate::answer::Refusal;
use crate::cart::{Cart, CartItem};
use crate::order::Order;

/// About where real ones were in 2026.
const FIRST_ORDER: u64 = 220_000_001;
const FIRST_ITEM: u64 = 545_000_001;

/// Carts of any number of callers, one account's orders.
#[derive(Debug, Default)]
pub(crate) struct Shop {
    carts: Vec<Cart>,
    orders: Vec<Order>,
    /// Carts that were ever made.
    pub(crate) made: u64,
    items: u64,
}

impl Shop {
    pub(crate) fn carts(&self) -> &[Cart] {
        &self.carts
    }

    pub(crate) fn orders(&self) -> &[Order] {
        &self.orders
    }

    pub(crate) fn add_cart(&mut self, cart: Cart) {
        self.made += 1;
        self.carts.push(cart);
    }

    /// A cart that is over is as one that never was.
    pub(crate) fn cart(&mut self, id: &str, now: i64) -> Result<&mut Cart, Refusal> {
        self.carts
            .iter_mut()
            .find(|cart| cart.id == id && now < cart.expires)
            .ok_or_else(|| gone("cartId", id))
    }

    pub(crate) fn delete_cart(&mut self, id: &str, now: i64) -> Result<(), Refusal> {
        self.cart(id, now)?;
        self.carts.retain(|cart| cart.id != id);
        Ok(())
    }

    /// For items and configurations.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.items += 1;
        FIRST_ITEM + self.items - 1
    }

    /// Makes an order, each time it is called.
    pub(crate) fn order(
        &mut self,
        cart_id: &str,
        now: i64,
        cents: u64,
        charges: u32,
    ) -> Result<&Order, Refusal> {
        let id = FIRST_ORDER + self.orders.len() as u64;
        let cart = self.cart(cart_id, now)?;
        cart.orders.push(id);
        let order = Order {
            id,
            cart_id: cart.id.clone(),
            items: cart.items.clone(),
            cents,
            at: now,
            charges,
            currency: cart.currency,
        };
        self.orders.push(order);
        self.find_order(&id.to_string()).map(|order| &*order)
    }

    pub(crate) fn find_order(&mut self, id: &str) -> Result<&mut Order, Refusal> {
        let found = id.parse().ok().and_then(|id: u64| self.orders.iter_mut().find(|order| order.id == id));
        found.ok_or_else(|| gone("orderId", id))
    }
}

impl Cart {
    pub(crate) fn item(&mut self, id: &str) -> Result<&mut CartItem, Refusal> {
        let found = id.parse().ok().and_then(|id: u64| self.items.iter_mut().find(|item| item.id == id));
        found.ok_or_else(|| gone("itemId", id))
    }
}

/// The message is made up.
pub(crate) fn gone(what: &str, id: &str) -> Refusal {
    Refusal::not_found(format!("The requested object ({what} = {id}) does not exist"))
}
