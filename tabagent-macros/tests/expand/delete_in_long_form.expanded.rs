/// Remove a model.
async fn remove(Path(place): Path<Place>) -> RemoveResult<NoContent> {
    Ok(NoContent)
}
#[doc(hidden)]
#[allow(dead_code, non_upper_case_globals)]
const handler_has_self__move__remove__out_of_the_impl: () = {
    #[doc(hidden)]
    #[macro_export]
    #[allow(non_local_definitions, unused_macros)]
    macro_rules! route_already_registered__DELETE__v1_models___model_id__b8c7d63c {
        () => {};
    }
};
#[doc(hidden)]
#[allow(
    dead_code,
    deprecated,
    non_upper_case_globals,
    unused_imports,
    unused_mut,
    unused_variables,
    clippy::all,
    clippy::pedantic
)]
const __route_remove: () = {
    fn __is_free() {
        handler_has_self__move__remove__out_of_the_impl
    }
    use ::tabagent_api::__private as __t;
    use __t::{
        CheckFits as _, CheckMisfits as _, CheckOfNothing as _, LastOfBody as _,
        LastOfHead as _, Unless as _, UnlessHead as _, UnlessLast as _,
        UnlessParsed as _, UnlessResult as _,
    };
    #[unsafe(
        export_name = "tabagent route already registered: DELETE /v1/models/{*model_id}"
    )]
    #[used]
    static __ROUTE_0: u8 = 0;
    const _: () = {
        const __SENTENCE: __t::Sentence = __t::problem_untested(
            <__t::Probe<<RemoveResult<NoContent> as __t::HandlerResult>::Failure>>::NAME,
            <__t::Probe<
                <RemoveResult<NoContent> as __t::HandlerResult>::Failure,
            >>::VARIANTS,
            &[(<__t::Probe<RemoveError>>::NAME, "NotFound")],
            &[],
        );
        if !__SENTENCE.is_silent() {
            ::core::panic!("{}", __SENTENCE.text())
        }
    };
    const _: () = if !(!<__t::Probe<
        <RemoveResult<NoContent> as __t::HandlerResult>::Success,
    >>::HAS_BODY) {
        ::core::panic!(
            "{}",
            "[route::case-malformed] the case \"gone\" does not look at the response\n  help: add `check = my_check`, a fn or closure that takes the response type by reference"
        )
    };
    const _: () = {
        const __SENTENCE: __t::Sentence = __t::case_problem_unknown(
            (
                <__t::Probe<
                    <RemoveResult<NoContent> as __t::HandlerResult>::Failure,
                >>::NAME,
                <__t::Probe<
                    <RemoveResult<NoContent> as __t::HandlerResult>::Failure,
                >>::VARIANTS,
            ),
            (<__t::Probe<RemoveError>>::NAME, <__t::Probe<RemoveError>>::VARIANTS),
            "NotFound",
        );
        if !__SENTENCE.is_silent() {
            ::core::panic!("{}", __SENTENCE.text())
        }
    };
    const _: () = if !(<__t::Probe<
        (<RemoveResult<NoContent> as __t::HandlerResult>::Failure, RemoveError),
    >>::SAME
        || !__t::same(
            <__t::Probe<<RemoveResult<NoContent> as __t::HandlerResult>::Failure>>::NAME,
            <__t::Probe<RemoveError>>::NAME,
        ))
    {
        ::core::panic!(
            "{}",
            "[route::case-type-mismatch] this enum has the name of the route's error type, and is another one\n  help: name a variant of the error type that the handler returns"
        )
    };
    const _: () = {
        const __SENTENCE: __t::Sentence = __t::path_param_unused(
            &[("model_id", "\n    /v1/models/{*model_id}\n               ^^^^^^^^^^^")],
            <__t::Probe<Place>>::PATH_SHAPE,
        );
        if !__SENTENCE.is_silent() {
            ::core::panic!("{}", __SENTENCE.text())
        }
    };
    const _: () = {
        const __SENTENCE: __t::Sentence = __t::path_param_unknown(
            "/v1/models/{*model_id}",
            &[("model_id", "\n    /v1/models/{*model_id}\n               ^^^^^^^^^^^")],
            <__t::Probe<Place>>::PATH_SHAPE,
        );
        if !__SENTENCE.is_silent() {
            ::core::panic!("{}", __SENTENCE.text())
        }
    };
    const _: () = if !(<__t::Probe<Place>>::IS_PATH || !<__t::Probe<Place>>::HAS_SCHEMA
        || (<__t::Probe<Place>>::VALIDATES && !<__t::Probe<Place>>::IS_PATH))
    {
        ::core::panic!(
            "{}",
            "[route::request-unvalidated] `Place` is the path of a route and has no validation rules\n  help: derive `tabagent_api::Schema` and give its fields `#[rule(..)]`, or say `#[rule(none = \"why no value can be wrong\")]` on the type"
        )
    };
    const _: () = if !(<__t::Probe<Place>>::IS_PATH
        || (<__t::Probe<Place>>::HAS_SCHEMA && !<__t::Probe<Place>>::VALIDATES))
    {
        ::core::panic!(
            "{}",
            "[route::request-undocumented] `Place` is the path of a route and has no schema\n  help: derive `tabagent_api::Schema` for it, with `#[rule(..)]` on its fields"
        )
    };
    const _: () = if !(<__t::Probe<Path<Place>>>::IS_INPUT
        || !(<__t::Probe<Place>>::IS_PATH && <__t::Probe<Place>>::DESERIALIZES))
    {
        ::core::panic!(
            "{}",
            "[route::request-undocumented] `Path<Place>` is not the framework's `Path`: it neither validates nor documents\n  help: take `tabagent_api::Path`"
        )
    };
    const _: () = if !(<__t::Probe<Place>>::DESERIALIZES) {
        ::core::panic!(
            "{}",
            "[route::request-undeserializable] `Place` is the path of a route and does not implement `Deserialize`\n  help: add `#[derive(serde::Deserialize)]` to it"
        )
    };
    const _: () = {
        const __SENTENCE: __t::Sentence = __t::text_unreadable(
            "path",
            "Place",
            <__t::Probe<Path<Place>>>::TEXT_FIELDS,
        );
        if !__SENTENCE.is_silent() {
            ::core::panic!("{}", __SENTENCE.text())
        }
    };
    const _: () = if !(<__t::Probe<
        <RemoveResult<NoContent> as __t::HandlerResult>::Success,
    >>::IS_OUTPUT) {
        ::core::panic!(
            "{}",
            "[route::response-undocumented] `this response` does not say what it answers with, so the document cannot\n  help: return `Json<T>`, `NoContent`, `Text`, `EventStream<T>` or `JsonOrStream<T, E>`, or implement `tabagent_api::RouteOutput` for it"
        )
    };
    const _: () = if !(<__t::Probe<
        <RemoveResult<NoContent> as __t::HandlerResult>::Failure,
    >>::IS_PROBLEM) {
        ::core::panic!(
            "{}",
            "[route::error-not-problem] `the error` is the error of a route and not a problem\n  help: make it an enum with `#[derive(Debug, thiserror::Error, tabagent_api::Problem)]`, or return `Infallible` if the route cannot fail"
        )
    };
    const _: () = if !(<__t::Probe<
        <RemoveResult<NoContent> as __t::HandlerResult>::Success,
    >>::STATUS != 200u16)
    {
        ::core::panic!(
            "{}",
            "[route::status-mismatch] the case \"gone\" expects 204, and a success of this route is 200\n  help: say `status = 204` on the route, or expect 200"
        )
    };
    const _: () = if !(!<__t::Probe<
        <RemoveResult<NoContent> as __t::HandlerResult>::Success,
    >>::STREAMS) {
        ::core::panic!(
            "{}",
            "[route::stream-undeclared] `this response` can be an event stream, and the route does not say so\n  help: add `stream` to `#[route(..)]`, so that limits and document know it"
        )
    };
    fn __describe(__operation: &mut __t::OperationBuilder) {
        <__t::Probe<Path<Place>>>::describe_input(__operation);
        <__t::Probe<
            <RemoveResult<NoContent> as __t::HandlerResult>::Success,
        >>::describe_output(__operation);
        <__t::Probe<
            <RemoveResult<NoContent> as __t::HandlerResult>::Failure,
        >>::describe_problems(__operation);
    }
    fn __components(__list: &mut ::std::vec::Vec<__t::ComponentRequirement>) {
        <__t::Probe<Path<Place>>>::components(__list);
    }
    fn __call(
        __t::State(__state): __t::State<__t::AppState>,
        __request: __t::Request,
    ) -> impl ::core::future::Future<
        Output = __t::Response,
    > + ::core::marker::Send + 'static {
        async move {
            let __a0: Path<Place> = match (&&__t::Last::<Path<Place>>::NEW)
                .extract(__request, &__state)
                .await
            {
                ::core::result::Result::Ok(value) => value,
                ::core::result::Result::Err(response) => return response,
            };
            <__t::Probe<
                ::core::result::Result<
                    <RemoveResult<NoContent> as __t::HandlerResult>::Success,
                    <RemoveResult<NoContent> as __t::HandlerResult>::Failure,
                >,
            >>::respond(
                remove(__a0).await,
                <__t::Probe<
                    <RemoveResult<NoContent> as __t::HandlerResult>::Success,
                >>::STATUS,
            )
        }
    }
    __t::inventory::submit! {
        __t::RouteMetadata { method : __t::Method::Delete, path :
        "/v1/models/{*model_id}", aliases : & [], operation_id : "remove", summary :
        "Remove a model.", description : "", tag : "api", deprecated : false, status : <
        __t::Probe < < RemoveResult < NoContent > as __t::HandlerResult > ::Success >>
        ::STATUS, stream : false, auth : __t::Auth::Key, limits : __t::RouteLimits {
        timeout_ms : ::core::option::Option::None, body_bytes :
        ::core::option::Option::None }, source : __t::Source { module :
        ::core::module_path!(), file : ::core::file!(), line : ::core::line!(), },
        describe : __describe, components : __components, handler : ||
        __t::handler(__t::Method::Delete, __call), cases : & [__t::TestCase { name :
        "gone", line : ::core::line!(), path : & [("model_id", "a/b")], query : & [],
        headers : & [], body : __t::CaseBody::None, expect : __t::Expectation::Success {
        status : 204u16, check : __t::check_no_body }, }, __t::TestCase { name :
        "never there", line : ::core::line!(), path : & [("model_id", "x")], query : &
        [], headers : & [], body : __t::CaseBody::None, expect :
        __t::Expectation::Problem { of : < __t::Probe < RemoveError >> ::VARIANTS,
        variant : "NotFound" }, }], problems : < __t::Probe < < RemoveResult < NoContent
        > as __t::HandlerResult > ::Failure >> ::VARIANTS, waived : & [], }
    }
};
