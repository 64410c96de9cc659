//! CPU and memory as people and AWS write them, and what Fargate makes of them.

/// CPU units from `256`, `1 vCPU` or `.5 vcpu`. One vCPU is 1024 units.
pub fn cpu_units(text: &str) -> Option<i64> {
    amount(text, "vcpu")
}

/// MiB from `512`, `2GB` or `0.5 gb`. One GB is 1024 MiB, as AWS counts.
pub fn memory_mib(text: &str) -> Option<i64> {
    amount(text, "gb")
}

fn amount(text: &str, unit: &str) -> Option<i64> {
    let text = text.trim().to_ascii_lowercase();
    match text.strip_suffix(unit) {
        Some(number) => times_1024(number.trim_end()),
        None => text.parse().ok().filter(|number| *number >= 0),
    }
}

/// Multiplies a decimal number exactly; `None` where the result is not whole.
fn times_1024(number: &str) -> Option<i64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|c| c.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || number.len() > 12 || whole.len() + fraction.len() == 0
    {
        return None;
    }
    let scale = 10_i64.pow(u32::try_from(fraction.len()).ok()?);
    let total = format!("0{whole}{fraction}").parse::<i64>().ok()? * 1024;
    (total % scale == 0).then_some(total / scale)
}

/// A row of Fargate's table: CPU units, and which memory goes with them, in MiB.
struct Size {
    cpu: i64,
    least: i64,
    most: i64,
    step: i64,
}

/// From "Task size" in the ECS developer guide and the reference of RegisterTaskDefinition.
const FARGATE: &[Size] = &[
    Size { cpu: 512, least: 1024, most: 4096, step: 1024 },
    Size { cpu: 1024, least: 2048, most: 8192, step: 1024 },
    Size { cpu: 2048, least: 4096, most: 16_384, step: 1024 },
    Size { cpu: 4096, least: 8192, most: 30_720, step: 1024 },
    Size { cpu: 8192, least: 16_384, most: 61_440, step: 4096 },
    Size { cpu: 16_384, least: 32_768, most: 122_880, step: 8192 },
];

/// What is wrong with a pair of CPU and memory on Fargate: a sentence for the label
/// and one for the help.
pub fn refused_by_fargate(cpu: i64, memory: i64) -> Option<(String, String)> {
    // The only row that is not evenly spaced.
    let smallest: &[i64] = &[512, 1024, 2048];
    if cpu == 256 {
        let help = "256 units take 512, 1024 or 2048 MiB".to_owned();
        return (!smallest.contains(&memory)).then(|| (mismatch(cpu, memory), help));
    }
    let Some(size) = FARGATE.iter().find(|size| size.cpu == cpu) else {
        let all: Vec<String> = FARGATE.iter().map(|size| size.cpu.to_string()).collect();
        let help = format!("use 256, {}", all.join(", "));
        return Some((format!("Fargate has no tasks of {cpu} units"), help));
    };
    let fits = (size.least..=size.most).contains(&memory) && memory % size.step == 0;
    (!fits).then(|| {
        let Size { least, most, step, .. } = size;
        let help = format!("{cpu} units take {least} to {most} MiB in steps of {step}");
        (mismatch(cpu, memory), help)
    })
}

fn mismatch(cpu: i64, memory: i64) -> String {
    format!("Fargate has no tasks of {cpu} units with {memory} MiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_aws_reads_them() {
        let cpu = [
            ("256", Some(256)),
            ("1 vCPU", Some(1024)),
            (".25 vcpu", Some(256)),
            ("0.5vCPU", Some(512)),
            ("0.1 vCPU", None),
            ("vCPU", None),
            (". vCPU", None),
            ("-1", None),
            ("-1 vCPU", None),
            ("1 GB", None),
            ("", None),
        ];
        for (text, units) in cpu {
            assert_eq!(cpu_units(text), units, "{text}");
        }
        for (text, mib) in
            [("512", Some(512)), ("2GB", Some(2048)), ("0.5 GB", Some(512)), ("2G", None)]
        {
            assert_eq!(memory_mib(text), mib, "{text}");
        }
    }

    #[test]
    fn fargate_takes_the_pairs_of_its_table_and_no_others() {
        let good = [
            (256, 512),
            (256, 2048),
            (512, 1024),
            (512, 4096),
            (1024, 2048),
            (1024, 8192),
            (2048, 5120),
            (4096, 30_720),
            (8192, 20_480),
            (16_384, 122_880),
        ];
        for (cpu, memory) in good {
            assert_eq!(refused_by_fargate(cpu, memory), None, "{cpu} {memory}");
        }
        let bad = [
            (256, 4096),
            (256, 1536),
            (512, 512),
            (512, 1536),
            (1024, 1024),
            (1024, 9216),
            (8192, 17_408),
            (16_384, 36_864),
            (300, 512),
            (32_768, 65_536),
            (0, 0),
        ];
        for (cpu, memory) in bad {
            assert!(refused_by_fargate(cpu, memory).is_some(), "{cpu} {memory}");
        }
    }
}
