//! Requests to CloudWatch Logs, as the API reference has them answered.

use serde_json::{Value, json};

use super::handle;
use crate::error::JsonError;
use crate::world::World;
use crate::{Options, json as read};

const NOW: f64 = 1_767_225_600.0;

/// A world with the group `/app`, its stream `web`, and lines at the seconds 0 to 4.
struct Lab(World);

impl Lab {
    fn new() -> Self {
        let mut lab = Self(World::new(&Options::default()));
        lab.ask("CreateLogGroup", &json!({ "logGroupName": "/app" })).expect("makes a group");
        let web = json!({ "logGroupName": "/app", "logStreamName": "web" });
        lab.ask("CreateLogStream", &web).expect("makes a stream");
        let events: Vec<Value> = (0..5).map(|at| line(at, &format!("line {at}"))).collect();
        lab.write(&json!(events)).expect("writes");
        lab
    }

    fn ask(&mut self, operation: &str, body: &Value) -> Result<Value, JsonError> {
        handle(&mut self.0, NOW, operation, body)
    }

    fn write(&mut self, events: &Value) -> Result<Value, JsonError> {
        let body = json!({ "logGroupName": "/app", "logStreamName": "web", "logEvents": events });
        self.ask("PutLogEvents", &body)
    }

    /// Reads the stream with some more members.
    fn get(&mut self, more: &Value) -> Result<Value, JsonError> {
        let mut body = json!({ "logGroupName": "/app", "logStreamName": "web" });
        let members = more.as_object().expect("members").clone();
        body.as_object_mut().expect("an object").extend(members);
        self.ask("GetLogEvents", &body)
    }

    #[track_caller]
    fn page(&mut self, more: &Value) -> (Vec<String>, Value) {
        let answer = self.get(more).expect("reads");
        let lines = read::array(&answer, "events")
            .iter()
            .map(|event| event["message"].as_str().expect("a message").to_owned());
        (lines.collect(), answer)
    }
}

fn line(second: i64, message: &str) -> Value {
    json!({ "timestamp": second * 1000, "message": message })
}

#[track_caller]
fn refused(answer: Result<Value, JsonError>) -> (String, String) {
    let error = answer.expect_err("refused");
    (error.code.to_string(), error.message)
}

#[test]
fn the_last_lines_come_first_and_the_pages_before_them_on_request() {
    let mut lab = Lab::new();

    let (last, answer) = lab.page(&json!({ "limit": 2 }));

    assert_eq!(last, ["line 3", "line 4"]);
    let back = |answer: &Value| json!({ "limit": 2, "nextToken": answer["nextBackwardToken"] });
    let (earlier, answer) = lab.page(&back(&answer));
    assert_eq!(earlier, ["line 1", "line 2"]);
    let (first, answer) = lab.page(&back(&answer));
    assert_eq!(first, ["line 0"]);
    // The end is known by its token, which comes back as itself.
    let (nothing, end) = lab.page(&back(&answer));
    assert!(nothing.is_empty(), "{nothing:?}");
    assert_eq!(end["nextBackwardToken"], answer["nextBackwardToken"]);
}

#[test]
fn from_the_head_pages_go_forward_and_find_what_was_written_since() {
    let mut lab = Lab::new();

    let (first, answer) = lab.page(&json!({ "limit": 3, "startFromHead": true }));

    assert_eq!(first, ["line 0", "line 1", "line 2"]);
    let on = |answer: &Value| json!({ "limit": 3, "nextToken": answer["nextForwardToken"] });
    let (rest, answer) = lab.page(&on(&answer));
    assert_eq!(rest, ["line 3", "line 4"]);
    let (nothing, end) = lab.page(&on(&answer));
    assert!(nothing.is_empty(), "{nothing:?}");
    assert_eq!(end["nextForwardToken"], answer["nextForwardToken"]);
    lab.write(&json!([line(5, "late")])).expect("writes");
    assert_eq!(lab.page(&on(&end)).0, ["late"]);
}

#[test]
fn a_span_of_time_ends_before_its_end() {
    let mut lab = Lab::new();

    let (lines, _) = lab.page(&json!({ "startTime": 1000, "endTime": 3000 }));

    assert_eq!(lines, ["line 1", "line 2"]);
    let (lines, _) = lab.page(&json!({ "startTime": 1000, "endTime": 3000, "limit": 1 }));
    assert_eq!(lines, ["line 2"]);
    assert!(lab.page(&json!({ "startTime": 9000 })).0.is_empty());
}

#[test]
fn what_does_not_exist_is_not_found() {
    let mut lab = Lab::new();
    let missing = |group: &str, stream: &str| json!({ "logGroupName": group, "logStreamName": stream, "logEvents": [line(0, "x")] });
    for operation in ["GetLogEvents", "PutLogEvents"] {
        let (code, said) = refused(lab.ask(operation, &missing("/other", "web")));
        assert_eq!(code, "ResourceNotFoundException", "{operation}");
        assert_eq!(said, "The specified log group does not exist.", "{operation}");
        let (code, said) = refused(lab.ask(operation, &missing("/app", "other")));
        assert_eq!(code, "ResourceNotFoundException", "{operation}");
        assert_eq!(said, "The specified log stream does not exist.", "{operation}");
    }
    for operation in ["DescribeLogStreams", "DeleteLogGroup", "CreateLogStream"] {
        let (code, _) = refused(lab.ask(operation, &missing("/other", "web")));
        assert_eq!(code, "ResourceNotFoundException", "{operation}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut lab = Lab::new();
    for wrong in [
        json!({ "limit": 0 }),
        json!({ "limit": 10_001 }),
        json!({ "nextToken": "x" }),
        json!({ "nextToken": "x/1" }),
        json!({ "nextToken": "f/-1" }),
        json!({ "logGroupName": "no spaces" }),
        json!({ "logGroupName": "" }),
        json!({ "logStreamName": "a:b" }),
    ] {
        assert_eq!(refused(lab.get(&wrong)).0, "InvalidParameterException", "{wrong}");
    }
    for wrong in [
        json!([]),
        json!([{ "message": "no time" }]),
        json!([{ "timestamp": 1 }]),
        json!([line(2, "after"), line(1, "before")]),
    ] {
        assert_eq!(refused(lab.write(&wrong)).0, "InvalidParameterException", "{wrong}");
    }
    // What was refused wrote nothing.
    assert_eq!(lab.page(&json!({})).0.len(), 5);
}

#[test]
fn names_are_taken_once() {
    let mut lab = Lab::new();
    let web = json!({ "logGroupName": "/app", "logStreamName": "web" });
    for operation in ["CreateLogGroup", "CreateLogStream"] {
        assert_eq!(refused(lab.ask(operation, &web)).0, "ResourceAlreadyExistsException");
    }
}

#[test]
fn streams_are_listed_by_name_or_by_their_last_line() {
    let mut lab = Lab::new();
    for stream in ["api", "worker"] {
        let body = json!({ "logGroupName": "/app", "logStreamName": stream });
        lab.ask("CreateLogStream", &body).expect("makes a stream");
    }
    let write = json!({
        "logGroupName": "/app", "logStreamName": "api", "logEvents": [line(9, "the latest")],
    });
    lab.ask("PutLogEvents", &write).expect("writes");
    let mut names = |more: Value| {
        let mut body = json!({ "logGroupName": "/app" });
        body.as_object_mut().expect("an object").extend(more.as_object().expect("one").clone());
        let answer = lab.ask("DescribeLogStreams", &body).expect("lists");
        let streams = read::array(&answer, "logStreams").iter();
        let names = streams.map(|it| it["logStreamName"].as_str().expect("a name").to_owned());
        (names.collect::<Vec<_>>(), answer["nextToken"].clone())
    };

    assert_eq!(names(json!({})).0, ["api", "web", "worker"]);
    assert_eq!(names(json!({ "logStreamNamePrefix": "w" })).0, ["web", "worker"]);
    let latest = names(json!({ "orderBy": "LastEventTime", "descending": true, "limit": 2 }));
    assert_eq!(latest.0, ["api", "web"]);
    let rest = json!({
        "orderBy": "LastEventTime", "descending": true, "limit": 2, "nextToken": latest.1,
    });
    assert_eq!(names(rest), (vec!["worker".to_owned()], Value::Null));
}
