// Answers one row with the artifact of birds.csv. docs/hosts.md says how to build it.
use ort::{inputs, session::Session, value::Tensor};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("name a model")?;
    let mut session = Session::builder()?.commit_from_file(path)?;
    let text = session.metadata()?.custom("edge_predict.signature").ok_or("the model has no signature")?;
    let signature: serde_json::Value = serde_json::from_str(&text)?;

    // bill_mm, depth_mm, flipper_mm, mass_g (missing), ringed, observer
    let x = vec![48.4f32, 19.1, 196.0, f32::NAN, 0.0, 2.0];
    let strings = ["Dream", "female"]; // island, sex; "" is missing
    let found = session.run(inputs![
        "x" => Tensor::from_array(([1i64, 6], x))?,
        "text" => Tensor::from_string_array(([1i64, 2], &strings[..]))?,
    ])?;
    let (_, row) = found["probabilities"].try_extract_tensor::<f32>()?;
    let best = (0..row.len()).max_by(|&i, &j| row[i].total_cmp(&row[j])).ok_or("the model has no labels")?;
    let label = signature["labels"][best].as_str().ok_or("the labels are not strings")?;
    println!("label {label}  probability {:.4}", row[best]);
    Ok(())
}
