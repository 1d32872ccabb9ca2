// Replays the certificate of an artifact. docs/hosts.md says how to build it.
use std::{error::Error, fs, process::exit};

use base64::{Engine, engine::general_purpose::STANDARD};
use ort::session::Session;
use ort::value::{DynValue, Tensor};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn read<T: DeserializeOwned>(json: &Json) -> Result<T> {
    Ok(T::deserialize(json)?)
}

fn bytes(array: &Json) -> Result<Vec<u8>> {
    Ok(STANDARD.decode(read::<String>(&array["data"])?)?)
}

fn floats(array: &Json) -> Result<Vec<f32>> {
    Ok(bytes(array)?.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect())
}

fn integers(array: &Json) -> Result<Vec<i64>> {
    Ok(bytes(array)?.chunks_exact(8).map(|eight| i64::from_le_bytes(eight.try_into().unwrap())).collect())
}

fn tensor(array: &Json) -> Result<DynValue> {
    let shape: Vec<i64> = read(&array["shape"])?;
    Ok(match array["dtype"].as_str() {
        Some("float32") => Tensor::from_array((shape, floats(array)?))?.into_dyn(),
        Some("int64") => Tensor::from_array((shape, integers(array)?))?.into_dyn(),
        Some("string") => {
            let strings: Vec<String> = read(&array["data"])?;
            Tensor::from_string_array((shape, &strings[..]))?.into_dyn()
        }
        _ => return Err("a type that this program does not read".into()),
    })
}

/// The largest fraction of its tolerance that an element uses.
fn used(found: &DynValue, expected: &Json, tolerance: &Json) -> Result<f64> {
    let Ok((shape, found)) = found.try_extract_tensor::<f32>() else { return Ok(f64::INFINITY) };
    if expected["dtype"] != "float32" || read::<Vec<i64>>(&expected["shape"])? != shape[..] {
        return Ok(f64::INFINITY);
    }
    let mut worst = 0.0f64;
    for ((&a, b), limit) in found.iter().zip(floats(expected)?).zip(floats(tolerance)?) {
        // The tolerance is infinite if the element is not compared.
        if limit.is_infinite() || a == b || (a.is_nan() && b.is_nan()) {
            continue;
        }
        let fraction = (f64::from(a) - f64::from(b)).abs() / f64::from(limit);
        worst = if fraction.is_nan() { f64::INFINITY } else { worst.max(fraction) };
    }
    Ok(worst)
}

/// Of the file with the 64 digits of this very hash taken as zeros.
fn content_sha256(path: &str, digits: &str) -> Result<String> {
    let mut content = fs::read(path)?;
    let place = content.windows(64).position(|window| window == digits.as_bytes()).ok_or("the hash is not there")?;
    content[place..place + 64].fill(b'0');
    Ok(Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect())
}

fn main() -> Result<()> {
    let path = std::env::args().nth(1).ok_or("name a model")?;
    let mut session = Session::builder()?.commit_from_file(&path)?;
    let text = session.metadata()?.custom("edge_predict.certificate").unwrap_or("{}".into());
    let certificate: Json = serde_json::from_str(&text)?;
    if !(1..=2).contains(&certificate["schema_version"].as_i64().unwrap_or(0)) {
        return Err("no certificate of version 1 or 2".into());
    }
    let digits: String = read(&certificate["content_sha256"])?;
    let mut passed = content_sha256(&path, &digits)? == digits;
    println!("{} since its export", if passed { "unchanged" } else { "CHANGED" });
    for batch in read::<Vec<Json>>(&certificate["reference"])? {
        let mut inputs = Vec::new();
        for (name, array) in batch["inputs"].as_object().ok_or("the certificate is damaged")? {
            inputs.push((name.as_str(), tensor(array)?));
        }
        for (name, found) in &session.run(inputs)? {
            let worst = used(&found, &batch["expected"][name], &batch["tolerance"][name])?;
            passed &= worst <= 1.0;
            println!("{}: {:.0}% of the tolerance of {name} used", read::<String>(&batch["kind"])?, 100.0 * worst);
        }
    }
    println!("{}", if passed { "passed" } else { "NOT PASSED" });
    exit(if passed { 0 } else { 1 });
}
