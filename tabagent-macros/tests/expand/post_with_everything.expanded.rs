/// Embed texts.
///
/// Returns one vector per input.
#[deprecated]
pub async fn embeddings(
    runtime: Component<Runtime>,
    Path(_tenant): Path<String>,
    Json(mut request): Json<EmbeddingRequest>,
) -> Result<Json<EmbeddingResponse>, EmbeddingError> {
    runtime.embed(&mut request).await
}
#[doc(hidden)]
#[allow(dead_code, non_upper_case_globals)]
const handler_has_self__move__embeddings__out_of_the_impl: () = {
    #[doc(hidden)]
    #[macro_export]
    #[allow(non_local_definitions, unused_macros)]
    macro_rules! route_already_registered__POST__v1__tenant__embeddings__4cec9a83 {
        () => {};
    }
    #[doc(hidden)]
    #[macro_export]
    #[allow(non_local_definitions, unused_macros)]
    macro_rules! route_already_registered__POST___tenant__embeddings__4c9049c9 {
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
const __route_embeddings: () = {
    fn __is_free() {
        handler_has_self__move__embeddings__out_of_the_impl
    }
    use ::tabagent_api::__private as __t;
    use __t::{
        CheckFits as _, CheckMisfits as _, CheckOfNothing as _, LastOfBody as _,
        LastOfHead as _, Unless as _, UnlessHead as _, UnlessLast as _,
        UnlessParsed as _, UnlessResult as _,
    };
    #[unsafe(
        export_name = "tabagent route already registered: POST /v1/{tenant}/embeddings"
    )]
    #[used]
    static __ROUTE_0: u8 = 0;
    #[unsafe(
        export_name = "tabagent route already registered: POST /{tenant}/embeddings"
    )]
    #[used]
    static __ROUTE_1: u8 = 0;
    const _: () = {
        const __SENTENCE: __t::Sentence = __t::problem_untested(
            <__t::Probe<EmbeddingError>>::NAME,
            <__t::Probe<EmbeddingError>>::VARIANTS,
            &[(<__t::Probe<ApiError>>::NAME, "BodyMalformed")],
            &["Busy"],
        );
        if !__SENTENCE.is_silent() {
            ::core::panic!("{}", __SENTENCE.text())
        }
    };
    const _: () = if !(<__t::Probe<Json<EmbeddingResponse>>>::HAS_BODY
        || !<__t::Probe<Json<EmbeddingResponse>>>::IS_OUTPUT)
    {
        ::core::panic!(
            "{}",
            "[route::case-malformed] the case \"one text\" checks the body of a response that has none\n  help: remove `check`: that there is no body is checked"
        )
    };
    const _: () = {
        const __SENTENCE: __t::Sentence = __t::case_problem_unknown(
            (<__t::Probe<EmbeddingError>>::NAME, <__t::Probe<EmbeddingError>>::VARIANTS),
            (<__t::Probe<ApiError>>::NAME, <__t::Probe<ApiError>>::VARIANTS),
            "BodyMalformed",
        );
        if !__SENTENCE.is_silent() {
            ::core::panic!("{}", __SENTENCE.text())
        }
    };
    const _: () = if !(<__t::Probe<(EmbeddingError, ApiError)>>::SAME
        || !__t::same(<__t::Probe<EmbeddingError>>::NAME, <__t::Probe<ApiError>>::NAME))
    {
        ::core::panic!(
            "{}",
            "[route::case-type-mismatch] this enum has the name of the route's error type, and is another one\n  help: name a variant of the error type that the handler returns"
        )
    };
    const _: () = {
        const __SENTENCE: __t::Sentence = __t::case_problem_unknown(
            (<__t::Probe<EmbeddingError>>::NAME, <__t::Probe<EmbeddingError>>::VARIANTS),
            (<__t::Probe<EmbeddingError>>::NAME, <__t::Probe<EmbeddingError>>::VARIANTS),
            "Busy",
        );
        if !__SENTENCE.is_silent() {
            ::core::panic!("{}", __SENTENCE.text())
        }
    };
    const _: () = {
        const __SENTENCE: __t::Sentence = __t::path_param_unused(
            &[("tenant", "\n    /v1/{tenant}/embeddings\n        ^^^^^^^^")],
            <__t::Probe<String>>::PATH_SHAPE,
        );
        if !__SENTENCE.is_silent() {
            ::core::panic!("{}", __SENTENCE.text())
        }
    };
    const _: () = {
        const __SENTENCE: __t::Sentence = __t::path_param_unused(
            &[("tenant", "\n    /{tenant}/embeddings\n     ^^^^^^^^")],
            <__t::Probe<String>>::PATH_SHAPE,
        );
        if !__SENTENCE.is_silent() {
            ::core::panic!("{}", __SENTENCE.text())
        }
    };
    const _: () = {
        const __SENTENCE: __t::Sentence = __t::path_param_unknown(
            "/v1/{tenant}/embeddings",
            &[("tenant", "\n    /v1/{tenant}/embeddings\n        ^^^^^^^^")],
            <__t::Probe<String>>::PATH_SHAPE,
        );
        if !__SENTENCE.is_silent() {
            ::core::panic!("{}", __SENTENCE.text())
        }
    };
    const _: () = {
        const __SENTENCE: __t::Sentence = __t::path_param_unknown(
            "/{tenant}/embeddings",
            &[("tenant", "\n    /{tenant}/embeddings\n     ^^^^^^^^")],
            <__t::Probe<String>>::PATH_SHAPE,
        );
        if !__SENTENCE.is_silent() {
            ::core::panic!("{}", __SENTENCE.text())
        }
    };
    const _: () = if !(<__t::Probe<Component<Runtime>>>::READS_HEAD
        || !<__t::Probe<Component<Runtime>>>::READS_BODY)
    {
        ::core::panic!(
            "{}",
            "[route::body-not-last] `Component<Runtime>` reads the body and is not the last argument\n  help: move it to the end of the arguments"
        )
    };
    const _: () = if !(<__t::Probe<EmbeddingRequest>>::VALIDATES
        || !<__t::Probe<EmbeddingRequest>>::HAS_SCHEMA
        || (<__t::Probe<EmbeddingRequest>>::VALIDATES
            && !<__t::Probe<EmbeddingRequest>>::IS_PATH))
    {
        ::core::panic!(
            "{}",
            "[route::request-unvalidated] `EmbeddingRequest` is the body of a route and has no validation rules\n  help: derive `tabagent_api::Schema` and give its fields `#[rule(..)]`, or say `#[rule(none = \"why no value can be wrong\")]` on the type"
        )
    };
    const _: () = if !(<__t::Probe<String>>::IS_PATH) {
        ::core::panic!(
            "{}",
            "[route::request-undocumented] `String` is text, and a path is not read into one\n  help: a path is read into `String`, `bool`, integers of up to 64 bits, tuples of these, and types that derive `tabagent_api::Schema`: structs with a field for each parameter, structs of one value, enums of names"
        )
    };
    const _: () = if !(<__t::Probe<EmbeddingRequest>>::HAS_SCHEMA) {
        ::core::panic!(
            "{}",
            "[route::request-undocumented] `EmbeddingRequest` is the body of a route and has no schema\n  help: derive `tabagent_api::Schema` for it, with `#[rule(..)]` on its fields"
        )
    };
    const _: () = if !(<__t::Probe<Component<Runtime>>>::IS_INPUT
        || !(<__t::Probe<Component<Runtime>>>::READS_HEAD
            || <__t::Probe<Component<Runtime>>>::READS_BODY))
    {
        ::core::panic!(
            "{}",
            "[route::request-undocumented] `Component<Runtime>` does not say what it reads, so the document cannot\n  help: use `Json`, `Path`, `Query`, `Component`, `RequestId` or `HeaderMap`, or implement `tabagent_api::RouteInput` for it"
        )
    };
    const _: () = if !(<__t::Probe<Path<String>>>::IS_INPUT
        || !(<__t::Probe<String>>::IS_PATH && <__t::Probe<String>>::DESERIALIZES))
    {
        ::core::panic!(
            "{}",
            "[route::request-undocumented] `Path<String>` is not the framework's `Path`: it neither validates nor documents\n  help: take `tabagent_api::Path`"
        )
    };
    const _: () = if !(<__t::Probe<Json<EmbeddingRequest>>>::IS_INPUT
        || !(<__t::Probe<EmbeddingRequest>>::HAS_SCHEMA
            && <__t::Probe<EmbeddingRequest>>::VALIDATES
            && <__t::Probe<EmbeddingRequest>>::DESERIALIZES))
    {
        ::core::panic!(
            "{}",
            "[route::request-undocumented] `Json<EmbeddingRequest>` is not the framework's `Json`: it neither validates nor documents\n  help: take `tabagent_api::Json`"
        )
    };
    const _: () = if !(<__t::Probe<String>>::DESERIALIZES) {
        ::core::panic!(
            "{}",
            "[route::request-undeserializable] `String` is the path of a route and does not implement `Deserialize`\n  help: add `#[derive(serde::Deserialize)]` to it"
        )
    };
    const _: () = if !(<__t::Probe<EmbeddingRequest>>::DESERIALIZES) {
        ::core::panic!(
            "{}",
            "[route::request-undeserializable] `EmbeddingRequest` is the body of a route and does not implement `Deserialize`\n  help: add `#[derive(serde::Deserialize)]` to it"
        )
    };
    const _: () = if !(<__t::Probe<Component<Runtime>>>::READS_HEAD
        || <__t::Probe<Component<Runtime>>>::READS_BODY)
    {
        ::core::panic!(
            "{}",
            "[route::request-undeserializable] `Component<Runtime>` cannot be read from a request: it is no extractor\n  help: wrap it: `Json<T>` for a body, `Query<T>`, `Path<T>`, `Component<T>` for what the app provides"
        )
    };
    const _: () = {
        const __SENTENCE: __t::Sentence = __t::text_unreadable(
            if <__t::Probe<Component<Runtime>>>::READS_QUERY { "query" } else { "path" },
            "Component<Runtime>",
            <__t::Probe<Component<Runtime>>>::TEXT_FIELDS,
        );
        if !__SENTENCE.is_silent() {
            ::core::panic!("{}", __SENTENCE.text())
        }
    };
    const _: () = {
        const __SENTENCE: __t::Sentence = __t::text_unreadable(
            "path",
            "String",
            <__t::Probe<Path<String>>>::TEXT_FIELDS,
        );
        if !__SENTENCE.is_silent() {
            ::core::panic!("{}", __SENTENCE.text())
        }
    };
    const _: () = if !(<__t::Probe<EmbeddingResponse>>::HAS_SCHEMA) {
        ::core::panic!(
            "{}",
            "[route::response-undocumented] `EmbeddingResponse` is the response of a route and has no schema\n  help: derive `tabagent_api::Schema` for it"
        )
    };
    const _: () = if !(<__t::Probe<Json<EmbeddingResponse>>>::IS_OUTPUT
        || !(true && <__t::Probe<EmbeddingResponse>>::HAS_SCHEMA
            && <__t::Probe<EmbeddingResponse>>::SERIALIZES
            && <__t::Probe<EmbeddingResponse>>::DESERIALIZES))
    {
        ::core::panic!(
            "{}",
            "[route::response-undocumented] `Json<EmbeddingResponse>` is not the framework's response of that name, so the document cannot say it\n  help: return the `Json`, `EventStream` or `JsonOrStream` of `tabagent_api`"
        )
    };
    const _: () = if !(<__t::Probe<EmbeddingResponse>>::SERIALIZES) {
        ::core::panic!(
            "{}",
            "[route::response-unserializable] `EmbeddingResponse` is the response of a route and does not implement `Serialize`\n  help: add `#[derive(serde::Serialize, serde::Deserialize)]` to it"
        )
    };
    const _: () = if !(<__t::Probe<EmbeddingResponse>>::DESERIALIZES
        || !<__t::Probe<EmbeddingResponse>>::SERIALIZES)
    {
        ::core::panic!(
            "{}",
            "[route::response-unserializable] the checks of the cases read `EmbeddingResponse` back, and it does not implement `Deserialize`\n  help: add `#[derive(serde::Deserialize)]` to it"
        )
    };
    const _: () = if !(<__t::Probe<EmbeddingError>>::IS_PROBLEM) {
        ::core::panic!(
            "{}",
            "[route::error-not-problem] `EmbeddingError` is the error of a route and not a problem\n  help: make it an enum with `#[derive(Debug, thiserror::Error, tabagent_api::Problem)]`, or return `Infallible` if the route cannot fail"
        )
    };
    const _: () = if !(<__t::Probe<Json<EmbeddingResponse>>>::STATUS != 204u16) {
        ::core::panic!(
            "{}",
            "[route::status-mismatch] the case \"one text\" expects 200, and a success of this route is 204\n  help: say `status = 200` on the route, or expect 204"
        )
    };
    const _: () = if !(!<__t::Probe<Json<EmbeddingResponse>>>::STREAMS) {
        ::core::panic!(
            "{}",
            "[route::stream-undeclared] `Json<EmbeddingResponse>` can be an event stream, and the route does not say so\n  help: add `stream` to `#[route(..)]`, so that limits and document know it"
        )
    };
    fn __describe(__operation: &mut __t::OperationBuilder) {
        <__t::Probe<Component<Runtime>>>::describe_input(__operation);
        <__t::Probe<Path<String>>>::describe_input(__operation);
        <__t::Probe<Json<EmbeddingRequest>>>::describe_input(__operation);
        <__t::Probe<Json<EmbeddingResponse>>>::describe_output(__operation);
        <__t::Probe<EmbeddingError>>::describe_problems(__operation);
    }
    fn __components(__list: &mut ::std::vec::Vec<__t::ComponentRequirement>) {
        <__t::Probe<Component<Runtime>>>::components(__list);
        <__t::Probe<Path<String>>>::components(__list);
        <__t::Probe<Json<EmbeddingRequest>>>::components(__list);
    }
    fn __call(
        __t::State(__state): __t::State<__t::AppState>,
        __request: __t::Request,
    ) -> impl ::core::future::Future<
        Output = __t::Response,
    > + ::core::marker::Send + 'static {
        async move {
            let (mut __parts, __body) = __request.into_parts();
            let __a0: Component<Runtime> = match <__t::Probe<
                Component<Runtime>,
            >>::extract(&mut __parts, &__state)
                .await
            {
                ::core::result::Result::Ok(value) => value,
                ::core::result::Result::Err(response) => return response,
            };
            let __a1: Path<String> = match <__t::Probe<
                Path<String>,
            >>::extract(&mut __parts, &__state)
                .await
            {
                ::core::result::Result::Ok(value) => value,
                ::core::result::Result::Err(response) => return response,
            };
            let __a2: Json<EmbeddingRequest> = match (&&__t::Last::<
                Json<EmbeddingRequest>,
            >::NEW)
                .extract(__t::Request::from_parts(__parts, __body), &__state)
                .await
            {
                ::core::result::Result::Ok(value) => value,
                ::core::result::Result::Err(response) => return response,
            };
            <__t::Probe<
                ::core::result::Result<Json<EmbeddingResponse>, EmbeddingError>,
            >>::respond(
                embeddings(__a0, __a1, __a2).await,
                <__t::Probe<Json<EmbeddingResponse>>>::STATUS,
            )
        }
    }
    __t::inventory::submit! {
        __t::RouteMetadata { method : __t::Method::Post, path :
        "/v1/{tenant}/embeddings", aliases : & [__t::RouteAlias { path :
        "/{tenant}/embeddings", deprecated : true }], operation_id : "embed", summary :
        "Embed texts.", description : "Returns one vector per input.", tag : "inference",
        deprecated : true, status : < __t::Probe < Json < EmbeddingResponse > >>
        ::STATUS, stream : false, auth : __t::Auth::Public, limits : __t::RouteLimits {
        timeout_ms : ::core::option::Option::Some(30000u64), body_bytes :
        ::core::option::Option::Some(16777216usize) }, source : __t::Source { module :
        ::core::module_path!(), file : ::core::file!(), line : ::core::line!(), },
        describe : __describe, components : __components, handler : ||
        __t::handler(__t::Method::Post, __call), cases : & [__t::TestCase { name :
        "one text", line : ::core::line!(), path : & [("tenant", "a/b")], query : & [],
        headers : & [], body : __t::CaseBody::Json("{\"input\":[\"x\",1,null]}"), expect
        : __t::Expectation::Success { status : 200u16, check : | __response | <
        __t::Probe < Json < EmbeddingResponse > >> ::run_check(__response,
        __t::check_of:: < EmbeddingResponse, _, _ > (| r | r.data.len() == 1)) }, },
        __t::TestCase { name : "bytes", line : ::core::line!(), path : & [("tenant",
        "t")], query : & [("k", "1"), ("k", "2")], headers : & [("x-a", "b")], body :
        __t::CaseBody::Raw { bytes : b"\xff", content_type :
        ::core::option::Option::Some("application/json") }, expect :
        __t::Expectation::Problem { of : < __t::Probe < ApiError >> ::VARIANTS, variant :
        "BodyMalformed" }, }], problems : < __t::Probe < EmbeddingError >> ::VARIANTS,
        waived : & [("Busy", "nothing here is ever busy")], }
    }
};
