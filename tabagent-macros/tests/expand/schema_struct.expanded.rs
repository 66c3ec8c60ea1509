#[allow(unused_variables, clippy::all, clippy::pedantic)]
const _: () = {
    use ::tabagent_api::__private as __t;
    use __t::{UnlessDefault as _, UnlessSchemaType as _, UnlessValidated as _};
    const _: () = {
        const __SENTENCE: __t::Sentence = __t::bound_no_count(
            "length",
            "characters",
            (MAX) as f64,
        );
        if !__SENTENCE.is_silent() {
            ::core::panic!("{}", __SENTENCE.text())
        }
    };
    const _: () = {
        const __SENTENCE: __t::Sentence = __t::bounds_apart(
            __t::Reach::Open,
            1f64,
            (MAX) as f64,
        );
        if !__SENTENCE.is_silent() {
            ::core::panic!("{}", __SENTENCE.text())
        }
    };
    const _: () = {
        const __SENTENCE: __t::Sentence = __t::bound_beyond(
            "Option<f32>",
            <__t::FieldType<Option<f32>>>::REACH,
            0f64,
        );
        if !__SENTENCE.is_silent() {
            ::core::panic!("{}", __SENTENCE.text())
        }
    };
    const _: () = {
        const __SENTENCE: __t::Sentence = __t::bound_beyond(
            "Option<f32>",
            <__t::FieldType<Option<f32>>>::REACH,
            2.5f64,
        );
        if !__SENTENCE.is_silent() {
            ::core::panic!("{}", __SENTENCE.text())
        }
    };
    const _: () = {
        const __SENTENCE: __t::Sentence = __t::bounds_apart(
            <__t::FieldType<Option<f32>>>::REACH,
            0f64,
            2.5f64,
        );
        if !__SENTENCE.is_silent() {
            ::core::panic!("{}", __SENTENCE.text())
        }
    };
    const _: () = if !<__t::FieldType<String>>::IS_KNOWN {
        ::core::panic!(
            "{}",
            "[schema-type-unknown] `String` has no schema\n  help: derive `tabagent_api::Schema` for it, or say what it is on the wire: `#[rule(schema_as(String))]`"
        )
    };
    const _: () = if !<__t::FieldType<Vec<String>>>::IS_KNOWN {
        ::core::panic!(
            "{}",
            "[schema-type-unknown] `Vec<String>` has no schema\n  help: derive `tabagent_api::Schema` for it, or say what it is on the wire: `#[rule(schema_as(String))]`"
        )
    };
    const _: () = if !<__t::FieldType<Option<f32>>>::IS_KNOWN {
        ::core::panic!(
            "{}",
            "[schema-type-unknown] `Option<f32>` has no schema\n  help: derive `tabagent_api::Schema` for it, or say what it is on the wire: `#[rule(schema_as(String))]`"
        )
    };
    const _: () = if !<__t::FieldType<Option<Inner>>>::IS_KNOWN {
        ::core::panic!(
            "{}",
            "[schema-type-unknown] `Option<Inner>` has no schema\n  help: derive `tabagent_api::Schema` for it, or say what it is on the wire: `#[rule(schema_as(String))]`"
        )
    };
    #[automatically_derived]
    impl __t::Ruled for Ask {
        const RULES: &'static [(&'static str, __t::ValidationRule)] = &[
            (
                "longText",
                __t::ValidationRule::Length {
                    min: ::core::option::Option::Some(1usize),
                    max: ::core::option::Option::Some((MAX) as usize),
                },
            ),
            ("longText", __t::ValidationRule::Pattern("^[a-z]+$")),
            (
                "tags",
                __t::ValidationRule::Items {
                    min: ::core::option::Option::None,
                    max: ::core::option::Option::Some(3usize),
                },
            ),
            (
                "tags",
                __t::ValidationRule::Each(
                    &[
                        __t::ValidationRule::NotEmpty,
                        __t::ValidationRule::Length {
                            min: ::core::option::Option::None,
                            max: ::core::option::Option::Some(4usize),
                        },
                    ],
                ),
            ),
            (
                "heat",
                __t::ValidationRule::InRange {
                    min: ::core::option::Option::Some(0f64),
                    max: ::core::option::Option::Some(2.5f64),
                },
            ),
        ];
    }
    #[automatically_derived]
    impl __t::SchemaType for Ask {
        const IN_TEXT: bool = false;
        const FIELDS: __t::TextFields = __t::TextFields::Named(
            &[
                ("longText", <__t::FieldType<String>>::IN_TEXT),
                ("tags", <__t::FieldType<Vec<String>>>::IN_TEXT),
                ("heat", <__t::FieldType<Option<f32>>>::IN_TEXT),
                ("inner", <__t::FieldType<Option<Inner>>>::IN_TEXT),
            ],
        );
        fn usage() -> __t::serde_json::Value {
            __t::reference("Ask")
        }
        fn collect(__list: &mut __t::SchemaList) {
            __t::collect_named::<Self>(__list);
        }
    }
    #[automatically_derived]
    impl __t::utoipa::PartialSchema for Ask {
        fn schema() -> __t::utoipa::openapi::RefOr<__t::utoipa::openapi::Schema> {
            let __schema = __t::described(
                {
                    let mut __object = __t::ObjectSchema::new(true);
                    __object
                        .field(
                            "longText",
                            &[],
                            true,
                            false,
                            __t::described(
                                __t::with_examples(
                                    __t::ruled(
                                        <__t::FieldType<String>>::usage(),
                                        &[
                                            __t::ValidationRule::Length {
                                                min: ::core::option::Option::Some(1usize),
                                                max: ::core::option::Option::Some((MAX) as usize),
                                            },
                                            __t::ValidationRule::Pattern("^[a-z]+$"),
                                        ],
                                    ),
                                    ::std::vec![__t::serde_json::json!("hello")],
                                ),
                                "The text.",
                            ),
                        );
                    __object
                        .field(
                            "tags",
                            &["labels"],
                            false,
                            false,
                            __t::described(
                                __t::ruled(
                                    <__t::FieldType<Vec<String>>>::usage(),
                                    &[
                                        __t::ValidationRule::Items {
                                            min: ::core::option::Option::None,
                                            max: ::core::option::Option::Some(3usize),
                                        },
                                        __t::ValidationRule::Each(
                                            &[
                                                __t::ValidationRule::NotEmpty,
                                                __t::ValidationRule::Length {
                                                    min: ::core::option::Option::None,
                                                    max: ::core::option::Option::Some(4usize),
                                                },
                                            ],
                                        ),
                                    ],
                                ),
                                "",
                            ),
                        );
                    __object
                        .field(
                            "heat",
                            &[],
                            false,
                            false,
                            __t::described(
                                __t::ruled(
                                    <__t::FieldType<Option<f32>>>::usage(),
                                    &[
                                        __t::ValidationRule::InRange {
                                            min: ::core::option::Option::Some(0f64),
                                            max: ::core::option::Option::Some(2.5f64),
                                        },
                                    ],
                                ),
                                "",
                            ),
                        );
                    __object
                        .field(
                            "inner",
                            &[],
                            false,
                            false,
                            __t::described(
                                __t::ruled(<__t::FieldType<Option<Inner>>>::usage(), &[]),
                                "",
                            ),
                        );
                    __object.finish()
                },
                "A request.",
            );
            __t::opaque({
                let mut __broken = __t::garde::Report::new();
                let __report = &mut __broken;
                let __parent: &mut dyn ::core::ops::FnMut() -> __t::garde::Path = &mut __t::garde::Path::empty;
                if let ::core::option::Option::Some(__default) = <__t::DefaultOf<
                    Vec<String>,
                >>::value() {
                    let __f1 = &__default;
                    {
                        let __value = __f1;
                        let __at: &mut dyn ::core::ops::FnMut() -> __t::garde::Path = &mut ||
                        __parent().join("tags");
                        if __t::rule_items(
                            __value,
                            &__t::ValidationRule::Items {
                                min: ::core::option::Option::None,
                                max: ::core::option::Option::Some(3usize),
                            },
                            __at,
                            __report,
                        ) {
                            __t::rule_each(
                                __value,
                                __at,
                                __report,
                                &mut |__value, __at, __report| {
                                    __t::rule_not_empty(__value, __at, __report);
                                    __t::rule_length(
                                        __value,
                                        &__t::ValidationRule::Length {
                                            min: ::core::option::Option::None,
                                            max: ::core::option::Option::Some(4usize),
                                        },
                                        __at,
                                        __report,
                                    );
                                },
                            );
                            <__t::FieldType<
                                Vec<String>,
                            >>::check(__value, __at, __report);
                            <__t::Inside<
                                Vec<String>,
                            >>::validate(__value, __at, __report);
                        }
                    }
                }
                __t::with_broken_defaults(__t::marked::<Self>(__schema), &__broken)
            })
        }
    }
    #[automatically_derived]
    impl __t::utoipa::ToSchema for Ask {
        fn name() -> ::std::borrow::Cow<'static, str> {
            ::std::borrow::Cow::Borrowed("Ask")
        }
        fn schemas(__list: &mut __t::SchemaList) {
            <__t::FieldType<String>>::collect(__list);
            <__t::FieldType<Vec<String>>>::collect(__list);
            <__t::FieldType<Option<f32>>>::collect(__list);
            <__t::FieldType<Option<Inner>>>::collect(__list);
        }
    }
    #[automatically_derived]
    impl __t::PathFields for Ask {
        const SHAPE: __t::PathShape = __t::PathShape::Named(
            &["longText", "tags", "heat", "inner"],
        );
        fn schemas() -> ::std::vec::Vec<
            (::core::option::Option<&'static str>, __t::serde_json::Value),
        > {
            ::std::vec![
                (::core::option::Option::Some("longText"),
                __t::described(__t::with_examples(__t::ruled(< __t::FieldType < String >>
                ::usage(), & [__t::ValidationRule::Length { min :
                ::core::option::Option::Some(1usize), max :
                ::core::option::Option::Some((MAX) as usize) },
                __t::ValidationRule::Pattern("^[a-z]+$")]),
                ::std::vec![__t::serde_json::json!("hello")]), "The text.")),
                (::core::option::Option::Some("tags"), __t::described(__t::ruled(<
                __t::FieldType < Vec < String > >> ::usage(), &
                [__t::ValidationRule::Items { min : ::core::option::Option::None, max :
                ::core::option::Option::Some(3usize) }, __t::ValidationRule::Each(&
                [__t::ValidationRule::NotEmpty, __t::ValidationRule::Length { min :
                ::core::option::Option::None, max : ::core::option::Option::Some(4usize)
                }])]), "")), (::core::option::Option::Some("heat"),
                __t::described(__t::ruled(< __t::FieldType < Option < f32 > >> ::usage(),
                & [__t::ValidationRule::InRange { min :
                ::core::option::Option::Some(0f64), max :
                ::core::option::Option::Some(2.5f64) }]), "")),
                (::core::option::Option::Some("inner"), __t::described(__t::ruled(<
                __t::FieldType < Option < Inner > >> ::usage(), & []), ""))
            ]
        }
        fn collect(__list: &mut __t::SchemaList) {
            <Self as __t::utoipa::ToSchema>::schemas(__list);
        }
        fn check(&self) -> ::std::vec::Vec<__t::FieldError> {
            __t::broken_rules(self)
        }
    }
    #[automatically_derived]
    impl __t::garde::Validate for Ask {
        type Context = ();
        fn validate_into(
            &self,
            (): &(),
            __parent: &mut dyn ::core::ops::FnMut() -> __t::garde::Path,
            __report: &mut __t::garde::Report,
        ) {
            let Self {
                long_text: __f0,
                tags: __f1,
                heat: __f2,
                inner: __f3,
                cache: __f4,
            } = self;
            {
                let __value = __f0;
                let __at: &mut dyn ::core::ops::FnMut() -> __t::garde::Path = &mut || {
                    __parent().join("longText")
                };
                __t::rule_length(
                    __value,
                    &__t::ValidationRule::Length {
                        min: ::core::option::Option::Some(1usize),
                        max: ::core::option::Option::Some((MAX) as usize),
                    },
                    __at,
                    __report,
                );
                {
                    static __PATTERN: __t::Pattern = __t::Pattern::new("^[a-z]+$");
                    __t::rule_pattern(__value, &__PATTERN, __at, __report);
                }
                <__t::FieldType<String>>::check(__value, __at, __report);
                <__t::Inside<String>>::validate(__value, __at, __report);
            }
            {
                let __value = __f1;
                let __at: &mut dyn ::core::ops::FnMut() -> __t::garde::Path = &mut || {
                    __parent().join("tags")
                };
                if __t::rule_items(
                    __value,
                    &__t::ValidationRule::Items {
                        min: ::core::option::Option::None,
                        max: ::core::option::Option::Some(3usize),
                    },
                    __at,
                    __report,
                ) {
                    __t::rule_each(
                        __value,
                        __at,
                        __report,
                        &mut |__value, __at, __report| {
                            __t::rule_not_empty(__value, __at, __report);
                            __t::rule_length(
                                __value,
                                &__t::ValidationRule::Length {
                                    min: ::core::option::Option::None,
                                    max: ::core::option::Option::Some(4usize),
                                },
                                __at,
                                __report,
                            );
                        },
                    );
                    <__t::FieldType<Vec<String>>>::check(__value, __at, __report);
                    <__t::Inside<Vec<String>>>::validate(__value, __at, __report);
                }
            }
            {
                let __value = __f2;
                let __at: &mut dyn ::core::ops::FnMut() -> __t::garde::Path = &mut || {
                    __parent().join("heat")
                };
                if let ::core::option::Option::Some(__value) = __value {
                    __t::rule_range(
                        __value,
                        &__t::ValidationRule::InRange {
                            min: ::core::option::Option::Some(0f64),
                            max: ::core::option::Option::Some(2.5f64),
                        },
                        __at,
                        __report,
                    );
                }
                <__t::FieldType<Option<f32>>>::check(__value, __at, __report);
                <__t::Inside<Option<f32>>>::validate(__value, __at, __report);
            }
            {
                let __value = __f3;
                let __at: &mut dyn ::core::ops::FnMut() -> __t::garde::Path = &mut || {
                    __parent().join("inner")
                };
                <__t::FieldType<Option<Inner>>>::check(__value, __at, __report);
                <__t::Inside<Option<Inner>>>::validate(__value, __at, __report);
            }
            __t::rule_custom(one_of_both(self), __parent, __report);
        }
    }
};
