//! A call of a function as it grows.

use super::Answer;
use crate::routes::responses::events::ResponseEvent;
use crate::routes::responses::items::{Item, ItemStatus, new_id};

/// The call that grows.
pub(super) struct OpenCall {
    id: String,
    call_id: String,
    name: String,
    arguments: String,
}

impl OpenCall {
    fn item(&self, status: ItemStatus) -> Item {
        Item::FunctionCall {
            id: Some(self.id.clone()),
            status: Some(status),
            call_id: self.call_id.clone(),
            name: self.name.clone(),
            arguments: self.arguments.clone(),
        }
    }
}

impl Answer {
    /// Begins a call. Log probabilities of its tokens are not told.
    pub(super) fn begin_call(&mut self, name: String) {
        self.held.clear();
        self.close(ItemStatus::Completed);
        let call = OpenCall { id: new_id("fc"), call_id: new_id("call"), name, arguments: String::new() };
        let (output_index, item) = (self.response.output.len(), call.item(ItemStatus::InProgress));
        self.tell(|sequence_number| ResponseEvent::OutputItemAdded { sequence_number, output_index, item });
        self.call = Some(call);
    }

    /// Adds a part of its arguments.
    pub(super) fn grow_call(&mut self, delta: String) {
        self.held.clear();
        let output_index = self.response.output.len();
        let Some(call) = &mut self.call else { return };
        call.arguments.push_str(&delta);
        let item_id = call.id.clone();
        self.tell(|sequence_number| ResponseEvent::FunctionCallArgumentsDelta {
            sequence_number,
            item_id,
            output_index,
            delta,
        });
    }

    /// Ends it; it is not `whole` where the response was cut off, or was stopped.
    pub(super) fn end_call(&mut self, whole: bool) {
        self.held.clear();
        let output_index = self.response.output.len();
        let Some(call) = self.call.take() else { return };
        let item = call.item(if whole { ItemStatus::Completed } else { ItemStatus::Incomplete });
        self.tell(|sequence_number| ResponseEvent::FunctionCallArgumentsDone {
            sequence_number,
            item_id: call.id,
            output_index,
            name: call.name,
            arguments: call.arguments,
        });
        self.done(item);
    }
}
