//! Masks: what of a value they show.

#[test]
fn the_email_mask_shows_only_addresses() {
    use auditlog::Mask;
    for text in [
        "P@ssw0rd!",
        "P@ssw0rd",
        "hunter2 @ home: the rest of a secret",
        "a b@c d",
        "Ann <ann@example.com>",
        "ann@example.com, bob@example.com",
        "pass word@example.com",
        "ann@example..com",
        "ann@.com",
        "@example.com",
        "ann@",
        "ann@exa\nmple.com",
        "",
    ] {
        assert_eq!(Mask::Email.apply(text), "***", "{text}");
    }
    for (text, masked) in [
        ("ann@example.com", "a***@example.com"),
        ("ann+x@mail.ex-ample.co", "a***@mail.ex-ample.co"),
        ("a@example.com", "***@example.com"),
    ] {
        assert_eq!(Mask::Email.apply(text), masked);
    }
}
