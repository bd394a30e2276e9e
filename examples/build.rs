//! Makes Rust of the protocol of `grpc/`, without a `protoc` on the machine.

fn main() -> anyhow::Result<()> {
    println!("cargo::rerun-if-changed=grpc/books.proto");
    let descriptors = protox::compile(["grpc/books.proto"], ["grpc"])?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
