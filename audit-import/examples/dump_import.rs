//! temp
fn main(){ let i=audit_import::Import::open(std::env::args().nth(1).unwrap()).unwrap(); let mut es=i.entries().unwrap(); for e in &mut es { match e { Ok(e)=>println!("{}", e.to_canonical_json().unwrap()), Err(e)=>println!("ERR {e}") } } for l in es.report().losses() { println!("LOSS {l}") } }
