use std::{env, fs};

fn main() {
    for path in env::args().skip(1) {
        let text = fs::read_to_string(&path).expect("a readable file");
        println!("{} lines, {} words", text.lines().count(), text.split_whitespace().count());
    }
}
