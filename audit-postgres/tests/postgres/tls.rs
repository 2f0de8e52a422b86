pub(crate) fn trial() -> libtest_mimic::Trial {
    libtest_mimic::Trial::test("tls", || Ok(()))
}
