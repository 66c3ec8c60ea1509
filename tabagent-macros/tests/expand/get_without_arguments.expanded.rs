/// Answer.
pub async fn answer() -> Result<Json<Answer>, Infallible> {
    Ok(Json(Answer::yes()))
}
#[doc(hidden)]
#[allow(dead_code, non_upper_case_globals)]
const handler_has_self__move__answer__out_of_the_impl: () = {
    #[doc(hidden)]
    #[macro_export]
    #[allow(non_local_definitions, unused_macros)]
    macro_rules! route_already_registered__GET__v1_answer {
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
const __route_answer: () = {
    fn __is_free() {
        handler_has_self__move__answer__out_of_the_impl
    }
    use ::tabagent_api::__private as __t;
    use __t::{
        CheckFits as _, CheckMisfits as _, CheckOfNothing as _, LastOfBody as _,
        LastOfHead as _, Unless as _, UnlessHead as _, UnlessLast as _,
        UnlessParsed as _, UnlessResult as _,
    };
    #[unsafe(export_name = "tabagent route already registered: GET /v1/answer")]
    #[used]
    static __ROUTE_0: u8 = 0;
    const _: () = {
        const __SENTENCE: __t::Sentence = __t::problem_case_missing(
            "answer",
            <__t::Probe<Infallible>>::NAME,
            <__t::Probe<Infallible>>::VARIANTS,
        );
        if !__SENTENCE.is_silent() {
            ::core::panic!("{}", __SENTENCE.text())
        }
    };
    const _: () = if !(<__t::Probe<Json<Answer>>>::HAS_BODY
        || !<__t::Probe<Json<Answer>>>::IS_OUTPUT)
    {
        ::core::panic!(
            "{}",
            "[route::case-malformed] the case \"one\" checks the body of a response that has none\n  help: remove `check`: that there is no body is checked"
        )
    };
    const _: () = if !(<__t::Probe<Answer>>::HAS_SCHEMA) {
        ::core::panic!(
            "{}",
            "[route::response-undocumented] `Answer` is the response of a route and has no schema\n  help: derive `tabagent_api::Schema` for it"
        )
    };
    const _: () = if !(<__t::Probe<Json<Answer>>>::IS_OUTPUT
        || !(true && <__t::Probe<Answer>>::HAS_SCHEMA && <__t::Probe<Answer>>::SERIALIZES
            && <__t::Probe<Answer>>::DESERIALIZES))
    {
        ::core::panic!(
            "{}",
            "[route::response-undocumented] `Json<Answer>` is not the framework's response of that name, so the document cannot say it\n  help: return the `Json`, `EventStream` or `JsonOrStream` of `tabagent_api`"
        )
    };
    const _: () = if !(<__t::Probe<Answer>>::SERIALIZES) {
        ::core::panic!(
            "{}",
            "[route::response-unserializable] `Answer` is the response of a route and does not implement `Serialize`\n  help: add `#[derive(serde::Serialize, serde::Deserialize)]` to it"
        )
    };
    const _: () = if !(<__t::Probe<Answer>>::DESERIALIZES
        || !<__t::Probe<Answer>>::SERIALIZES)
    {
        ::core::panic!(
            "{}",
            "[route::response-unserializable] the checks of the cases read `Answer` back, and it does not implement `Deserialize`\n  help: add `#[derive(serde::Deserialize)]` to it"
        )
    };
    const _: () = if !(<__t::Probe<Infallible>>::IS_PROBLEM) {
        ::core::panic!(
            "{}",
            "[route::error-not-problem] `Infallible` is the error of a route and not a problem\n  help: make it an enum with `#[derive(Debug, thiserror::Error, tabagent_api::Problem)]`, or return `Infallible` if the route cannot fail"
        )
    };
    const _: () = if !(<__t::Probe<Json<Answer>>>::STATUS != 204u16) {
        ::core::panic!(
            "{}",
            "[route::status-mismatch] the case \"one\" expects 200, and a success of this route is 204\n  help: say `status = 200` on the route, or expect 204"
        )
    };
    const _: () = if !(!<__t::Probe<Json<Answer>>>::STREAMS) {
        ::core::panic!(
            "{}",
            "[route::stream-undeclared] `Json<Answer>` can be an event stream, and the route does not say so\n  help: add `stream` to `#[route(..)]`, so that limits and document know it"
        )
    };
    fn __describe(__operation: &mut __t::OperationBuilder) {
        <__t::Probe<Json<Answer>>>::describe_output(__operation);
        <__t::Probe<Infallible>>::describe_problems(__operation);
    }
    fn __components(__list: &mut ::std::vec::Vec<__t::ComponentRequirement>) {}
    fn __call(
        __t::State(__state): __t::State<__t::AppState>,
        __request: __t::Request,
    ) -> impl ::core::future::Future<
        Output = __t::Response,
    > + ::core::marker::Send + 'static {
        async move {
            <__t::Probe<
                ::core::result::Result<Json<Answer>, Infallible>,
            >>::respond(answer().await, <__t::Probe<Json<Answer>>>::STATUS)
        }
    }
    __t::inventory::submit! {
        __t::RouteMetadata { method : __t::Method::Get, path : "/v1/answer", aliases : &
        [], operation_id : "answer", summary : "Answer.", description : "", tag : "api",
        deprecated : false, status : < __t::Probe < Json < Answer > >> ::STATUS, stream :
        false, auth : __t::Auth::Key, limits : __t::RouteLimits { timeout_ms :
        ::core::option::Option::None, body_bytes : ::core::option::Option::None }, source
        : __t::Source { module : ::core::module_path!(), file : ::core::file!(), line :
        ::core::line!(), }, describe : __describe, components : __components, handler :
        || __t::handler(__t::Method::Get, __call), cases : & [__t::TestCase { name :
        "one", line : ::core::line!(), path : & [], query : & [], headers : & [], body :
        __t::CaseBody::None, expect : __t::Expectation::Success { status : 200u16, check
        : | __response | __t::check_outcome((&& & __t::CheckFn:: < Json < Answer >, _ >
        ::new(says_yes)).run(__response)) }, }], problems : < __t::Probe < Infallible >>
        ::VARIANTS, waived : & [], }
    }
};
