//! Where SDDCs stand and what they run on.

/// An AWS region as VMC and AWS spell it.
#[derive(Debug)]
pub(super) struct Place {
    /// VMC's spelling.
    pub(super) region: &'static str,
    /// AWS's spelling; a zone is this and a letter.
    pub(super) aws: &'static str,
    /// What people put into SDDC names.
    pub(super) nick: &'static str,
}

const fn place(region: &'static str, aws: &'static str, nick: &'static str) -> Place {
    Place { region, aws, nick }
}

/// The regions, in the order in which SDDCs are spread over them. All have three zones or more.
pub(super) const PLACES: [Place; 10] = [
    place("EU_CENTRAL_1", "eu-central-1", "eu-frankfurt"),
    place("US_WEST_2", "us-west-2", "us-oregon"),
    place("AP_SOUTHEAST_2", "ap-southeast-2", "ap-sydney"),
    place("US_EAST_1", "us-east-1", "us-virginia"),
    place("EU_WEST_2", "eu-west-2", "eu-london"),
    place("AP_NORTHEAST_1", "ap-northeast-1", "ap-tokyo"),
    place("EU_WEST_1", "eu-west-1", "eu-dublin"),
    place("CA_CENTRAL_1", "ca-central-1", "ca-montreal"),
    place("AP_SOUTHEAST_1", "ap-southeast-1", "ap-singapore"),
    place("EU_NORTH_1", "eu-north-1", "eu-stockholm"),
];

/// A host type and what one host of it brings.
#[derive(Debug)]
pub(super) struct Hardware {
    pub(super) instance_type: &'static str,
    pub(super) sockets: u64,
    pub(super) cores: u64,
    /// Tenths of a GHz: sums stay exact.
    pub(super) ghz_tenths: u64,
    pub(super) memory_gib: u64,
    pub(super) ssds: u64,
    pub(super) storage_gib: u64,
    pub(super) vsan: &'static str,
}

/// The host types.
pub(super) const HARDWARE: [Hardware; 4] = [
    Hardware {
        instance_type: "i4i.metal",
        sockets: 2,
        cores: 64,
        ghz_tenths: 1856,
        memory_gib: 1024,
        ssds: 8,
        storage_gib: 18_626,
        vsan: "vsanesa",
    },
    Hardware {
        instance_type: "i3.metal",
        sockets: 2,
        cores: 36,
        ghz_tenths: 828,
        memory_gib: 512,
        ssds: 8,
        storage_gib: 10_617,
        vsan: "vsan1",
    },
    Hardware {
        instance_type: "i3en.metal",
        sockets: 2,
        cores: 48,
        ghz_tenths: 1200,
        memory_gib: 768,
        ssds: 8,
        storage_gib: 46_940,
        vsan: "vsan1",
    },
    Hardware {
        instance_type: "m7i.metal-24xl",
        sockets: 1,
        cores: 48,
        ghz_tenths: 1152,
        memory_gib: 384,
        ssds: 0,
        storage_gib: 0,
        vsan: "novsan",
    },
];
