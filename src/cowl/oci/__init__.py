"""Pure values of the OCI specs: digest, reference, descriptor, manifest, image config, platform."""
