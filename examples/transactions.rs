//! Entries are written with the transaction they belong to, or not at all.
//!
//! `cargo run --example transactions`

use auditlog::prelude::*;

#[derive(Auditable, Clone, Debug)]
#[audit(repr = "{owner}'s account")]
struct Account {
    id: u32,
    owner: String,
    balance: i64,
}

#[derive(Debug)]
enum TransferError {
    Overdrawn,
    Audit(auditlog::Error),
}

impl From<auditlog::Error> for TransferError {
    fn from(error: auditlog::Error) -> Self {
        Self::Audit(error)
    }
}

impl std::fmt::Display for TransferError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Overdrawn => f.write_str("the account would be overdrawn"),
            Self::Audit(error) => write!(f, "the transfer could not be audited: {error}"),
        }
    }
}

fn transfer(from: &mut Account, to: &mut Account, amount: i64) -> Result<(), TransferError> {
    auditlog::transaction(|| {
        auditlog::update(from, |account| account.balance -= amount).record()?;
        auditlog::update(to, |account| account.balance += amount).record()?;
        if from.balance < 0 {
            return Err(TransferError::Overdrawn);
        }
        Ok(())
    })
}

fn main() -> Result<(), TransferError> {
    let audit = auditlog::testing::capture();
    auditlog::register::<Account>();
    let _who = auditlog::context().actor("teller").enter();
    let mut ann = Account {
        id: 1,
        owner: "Ann".into(),
        balance: 100,
    };
    let mut bob = Account {
        id: 2,
        owner: "Bob".into(),
        balance: 0,
    };

    transfer(&mut ann, &mut bob, 60)?;
    let entries = audit.entries();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0].transaction_id, entries[1].transaction_id);
    println!("a transfer, in one transaction:");
    for entry in &entries {
        println!("    {}: {}", entry.object_repr, entry.changes);
    }

    // The second one fails half-way: neither of its entries is in the trail.
    let (mut a, mut b) = (ann.clone(), bob.clone());
    match transfer(&mut a, &mut b, 60) {
        Err(error @ TransferError::Overdrawn) => println!("a second one: {error}"),
        other => panic!("the account was overdrawn: {other:?}"),
    }
    assert_eq!(audit.entries().len(), 2);

    // A guard does the same where a closure does not fit; dropped, it records nothing.
    let transaction = auditlog::begin();
    auditlog::deleted(&ann).record()?;
    assert_eq!(transaction.len(), 1);
    drop(transaction);
    assert_eq!(audit.entries().len(), 2);

    // A tracked object records what changed once it is saved.
    let mut tracked = Tracked::new(bob);
    tracked.balance += 5;
    tracked.save(|account| {
        println!("saving {account:?}");
        Ok::<(), TransferError>(())
    })?;
    assert_eq!(
        audit.last().expect("an entry").changes["balance"].new,
        Some(65.into())
    );
    Ok(())
}
