//! A registry that takes one blob.

use std::sync::Mutex;

use super::server::{Asked, Reply};
use super::{LAYER, descriptor};

const PLACE: &str = "/v2/team/app/blobs/uploads/1?_state=geheim";

/// What a good registry does, with one upload.
#[derive(Default)]
pub struct Good(Mutex<String>);

impl Good {
    pub fn reply(&self, asked: &Asked) -> Reply {
        let mut there = self.0.lock().unwrap();
        let place = |status: u16, there: &str| {
            let range = format!("0-{}", there.len().saturating_sub(1));
            Reply::new(status)
                .header("Location", PLACE)
                .header("Range", &range)
        };
        match asked.method.as_str() {
            "POST" => {
                there.clear();
                place(202, "")
            }
            "GET" => place(204, &there),
            "PATCH" => {
                let first = asked
                    .header("content-range")
                    .unwrap()
                    .split_once('-')
                    .unwrap()
                    .0;
                assert_eq!(first.parse(), Ok(there.len()));
                there.push_str(&asked.body);
                place(202, &there)
            }
            "PUT" => {
                there.push_str(&asked.body);
                let descriptor = descriptor(LAYER, there.as_bytes());
                let wanted = format!("digest={}", descriptor.digest);
                assert!(asked.path.ends_with(&wanted), "{}", asked.path);
                Reply::new(201).header("Docker-Content-Digest", &descriptor.digest.to_string())
            }
            other => panic!("{other}"),
        }
    }
}
