#[allow(unused_variables, clippy::all, clippy::pedantic)]
const _: () = {
    use ::tabagent_api::__private as __t;
    const __KIND_0: __t::ProblemKind = __t::ProblemKind {
        slug: "embedding-model-not-found",
        code: "model_not_found",
        status: 404u16,
        title: "Model not found",
        hint: "GET /v1/models lists the models",
        description: "Longer words.",
        retry_after: ::core::option::Option::None,
        retry: ::core::option::Option::None,
    };
    const __KIND_1: __t::ProblemKind = __t::ProblemKind {
        slug: "embedding-busy",
        code: "overloaded",
        status: 503u16,
        title: "Busy",
        hint: "try again",
        description: "",
        retry_after: ::core::option::Option::None,
        retry: ::core::option::Option::Some(true),
    };
    #[automatically_derived]
    impl __t::Problem for EmbeddingError {
        const NAME: &'static str = "EmbeddingError";
        const VARIANTS: &'static [__t::ProblemVariant] = &[
            __t::ProblemVariant {
                name: "ModelNotFound",
                kinds: __t::ProblemKinds::Own(__KIND_0),
            },
            __t::ProblemVariant {
                name: "Busy",
                kinds: __t::ProblemKinds::Own(__KIND_1),
            },
            __t::ProblemVariant {
                name: "Runtime",
                kinds: __t::ProblemKinds::Transparent(
                    <RuntimeProblem as __t::Problem>::VARIANTS,
                ),
            },
        ];
        fn kind(&self) -> &'static __t::ProblemKind {
            match self {
                Self::ModelNotFound { field: __f0, model: __f1 } => &__KIND_0,
                Self::Busy(__f0) => &__KIND_1,
                Self::Runtime(__inner) => __t::Problem::kind(__inner),
            }
        }
        fn fields(&self) -> ::std::vec::Vec<__t::FieldError> {
            match self {
                Self::ModelNotFound { field: __f0, model: __f1 } => {
                    ::std::vec![
                        __t::FieldError::of(::std::string::ToString::to_string(__f0), &
                        ::std::string::ToString::to_string(self),)
                    ]
                }
                Self::Runtime(__inner) => __t::Problem::fields(__inner),
                _ => ::std::vec::Vec::new(),
            }
        }
        fn param(&self) -> ::core::option::Option<::std::string::String> {
            match self {
                Self::ModelNotFound { field: __f0, model: __f1 } => {
                    ::core::option::Option::Some(
                        ::std::string::ToString::to_string(__f0),
                    )
                }
                Self::Runtime(__inner) => __t::Problem::param(__inner),
                _ => self.fields().into_iter().next().map(|__error| __error.field),
            }
        }
        fn retry_after(&self) -> ::core::option::Option<::core::time::Duration> {
            match self {
                Self::Busy(__f0) => ::core::convert::Into::into(*__f0),
                Self::Runtime(__inner) => __t::Problem::retry_after(__inner),
                _ => {
                    self.kind()
                        .retry_after
                        .map(|__s| ::core::time::Duration::from_secs(
                            ::core::convert::Into::into(__s),
                        ))
                }
            }
        }
    }
};
